// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/task.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace regild::dm {
namespace {

constexpr int log_level_error = 3;  // syslog's levels

// libdevmapper tells what went wrong by its log function only; by default that writes to stderr. Kept is the
// first message since the last task was made: the ones after it follow from it.
thread_local std::string first_message;

__attribute__((format(printf, 5, 6))) void keep_first_message(int level, const char*, int, int,
                                                              const char* format, ...) {
    constexpr int level_mask = 0x07;  // the rest are flags: "to stderr", "once"
    if ((level & level_mask) > log_level_error || !first_message.empty()) return;
    std::array<char, 512> text{};
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text.data(), text.size(), format, arguments);
    va_end(arguments);
    first_message = text.data();
}

}  // namespace

Task::Task(int type, const std::string& name) {
    dm_log_with_errno_init(keep_first_message);
    first_message.clear();
    task_.reset(dm_task_create(type));
    ok_ = task_ && (name.empty() || dm_task_set_name(task_.get(), name.c_str()) != 0);
}

bool Task::run() {
    ok_ = ok_ && dm_task_run(task_.get()) != 0;
    return ok_;
}

bool Task::run_with_udev() {
    std::uint32_t cookie = 0;
    require(ok_ ? dm_task_set_cookie(task_.get(), &cookie, 0) : 0);
    const bool done = run();
    // Failed or not: this also frees the cookie and updates the nodes.
    dm_udev_wait(cookie);
    return done;
}

Error Task::error(const std::string& what) {
    Error error = error_number() != 0 ? errno_error(what, error_number())
                                      : Error{Failure::failed, what + ": device-mapper does not answer"};
    // libdevmapper only repeats the errno when the kernel said no; otherwise it knows more.
    if (error_number() == 0 && !first_message.empty()) error.message = what + ": " + first_message;
    if (error_number() == EBUSY) error.kind = Failure::refused;
    return error;
}

}  // namespace regild::dm
