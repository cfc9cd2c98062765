// SPDX-License-Identifier: GPL-2.0-or-later
// The mapped device.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::dm {

struct WritelogTable {
    Sectors length;
    std::string data_path;
    std::string log_path;
    Sectors block_size;
    bool allow_discards = false;
    bool read_only = false;  // nothing is written or marked; no part of the parameters

    // "<data dev> 0 <log dev> 0 <block sectors> [1 allow_discards]", as kernel/writelog.rst has it.
    std::string parameters() const;
};

// A mapped device in two steps. `hold` creates the device and loads its table without resuming it: from then
// on data and log device are claimed by device-mapper, so nobody can mount or open them exclusively, yet the
// kernel has not read the log. `activate` resumes it: the log is read and every write marks. Between the two
// the tool restores. A held device that was never activated is removed by the destructor (invariant 5: no gap
// between hold and mapping).
class Mapping {
  public:
    virtual ~Mapping() = default;
    // Failure::refused when another mapped device has come to lie on data or log device meanwhile.
    virtual Result<void> activate() = 0;
    virtual std::string path() const = 0;  // /dev/mapper/NAME
};

class Mapper {
  public:
    virtual ~Mapper() = default;
    // `uuid` begins with mapped_uuid_prefix. A hold of that name that a killed tool left behind is removed
    // first. Failure::refused: the name is taken, another tool is at work on it, or a device is in use, also
    // by another mapped device. Failure::failed: the kernel lacks the target (the message says to load
    // dm-writelog).
    virtual Result<std::unique_ptr<Mapping>> hold(const std::string& name, const std::string& uuid,
                                                  const WritelogTable& table) = 0;
    // Failure::refused when it is open or not one of ours.
    virtual Result<void> remove(const std::string& name) = 0;
};

std::unique_ptr<Mapper> make_device_mapper();

}  // namespace regild::dm
