// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/state.hpp"

#include <catch2/catch.hpp>

namespace regild::volume {
namespace {

using format::VolumeState;

VolumeFacts facts(std::optional<VolumeState> state, std::uint64_t marked) {
    return {state, Blocks(marked)};
}

TEST_CASE("a volume is clean when its record says golden and no block is marked") {
    CHECK(is_clean(facts(VolumeState::golden, 0)));
    CHECK_FALSE(is_clean(facts(VolumeState::golden, 1)));
    CHECK_FALSE(is_clean(facts(VolumeState::restoring, 0)));
    CHECK_FALSE(is_clean(facts(VolumeState::provisioning, 0)));
    CHECK_FALSE(is_clean(facts(std::nullopt, 0)));
}

TEST_CASE("a volume with marks is not called golden") {
    CHECK(state_text(facts(VolumeState::golden, 0)) == "golden");
    CHECK(state_text(facts(VolumeState::golden, 2466)) == "provisioned, 2466 blocks to restore");
    CHECK(state_text(facts(VolumeState::golden, 1)) == "provisioned, 1 block to restore");
    CHECK(state_text(facts(VolumeState::restoring, 12)) == "restoring, 12 blocks to restore");
    CHECK(state_text(facts(VolumeState::provisioning, 16384)) == "provisioning, 16384 blocks to restore");
    CHECK(state_text(facts(VolumeState::restoring, 0)) == "restoring, 0 blocks to restore");
}

}  // namespace
}  // namespace regild::volume
