// SPDX-License-Identifier: GPL-2.0-or-later
// One request to device-mapper about one device, and what is said of it when it fails. libdevmapper stays in
// this folder.
#pragma once

#include <libdevmapper.h>

#include <memory>
#include <string>

#include "base/result.hpp"

namespace regild::dm {

constexpr const char* target_type = "writelog";  // kernel/writelog.rst

class Task {
  public:
    // `type` is one of DM_DEVICE_...; without a name it is about none, or about one that the caller sets.
    Task(int type, const std::string& name);

    dm_task* get() { return task_.get(); }
    // Takes the result of a dm_task_set_...() call.
    void require(int result) { ok_ = ok_ && result != 0; }
    bool run();
    // For requests that make udev act (resume, remove): also waits until it has. Where udev does not run or
    // is switched off, libdevmapper sets no cookie and makes and removes the node in /dev/mapper itself.
    bool run_with_udev();

    int error_number() { return task_ ? dm_task_get_errno(task_.get()) : 0; }
    // Failure::refused where something is busy.
    Error error(const std::string& what);

  private:
    struct Destroy {
        void operator()(dm_task* task) const { dm_task_destroy(task); }
    };
    std::unique_ptr<dm_task, Destroy> task_;
    bool ok_ = false;
};

}  // namespace regild::dm
