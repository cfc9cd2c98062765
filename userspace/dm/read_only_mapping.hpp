// SPDX-License-Identifier: GPL-2.0-or-later
// A volume that is mapped by a writelog table which only reads.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace regild::dm {

class ReadOnlyMapping {
  public:
    // What lies on these two block devices, if it is one such table and nothing else, and no other table
    // waits to replace it; Failure::refused says what there is instead, Failure::failed that they are no
    // block devices, or nobody can look. As long as the object lives the
    // mapped device cannot be removed, so that only who loads another table can let anybody write.
    static Result<ReadOnlyMapping> open(const std::string& data_path, const std::string& log_path);
    // Whether it is so still.
    Result<void> check() const;

  private:
    ReadOnlyMapping() = default;
    std::string data_path_;
    std::string log_path_;
    std::string name_;  // of the mapped device: "dm-3"
    Fd fd_;
};

}  // namespace regild::dm
