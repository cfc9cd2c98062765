// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a command and writes what it cost to a file: exit code, seconds, processor seconds, KiB of resident
// memory at the most. A program of its own, because the kernel counts the memory of who forks to what it
// starts.
//
//   meter FILE COMMAND [ARGUMENT]…
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
    if (argc < 3) return 127;
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        std::perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    rusage usage{};
    if (child < 0 || wait4(child, &status, 0, &usage) != child) return 127;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    std::FILE* file = std::fopen(argv[1], "w");
    if (file == nullptr) return 127;
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    std::fprintf(file, "%d %.6f %.6f %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128, elapsed.count(),
                 seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    return std::fclose(file) == 0 ? 0 : 127;
}
