// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/suggestion.hpp"

#include <algorithm>
#include <vector>

namespace regild::cli {
namespace {

constexpr std::size_t most_edits = 2;
constexpr std::size_t longest_name = 24;

// The optimal string alignment distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            const std::size_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

}  // namespace

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
    if (word.size() > longest_name) return "";
    std::string_view best;
    std::size_t best_distance = most_edits + 1;
    for (const std::string_view candidate : known) {
        const std::size_t edits = distance(word, candidate);
        if (edits < best_distance && edits < candidate.size()) {
            best = candidate;
            best_distance = edits;
        }
    }
    return best.empty() ? "" : "; did you mean " + std::string(best) + "?";
}

std::string quoted_name(std::string_view word) {
    const bool is_name = word.size() <= longest_name && std::ranges::all_of(word, [](char c) {
                             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
                         });
    return is_name ? " '" + std::string(word) + "'" : "";
}

}  // namespace regild::cli
