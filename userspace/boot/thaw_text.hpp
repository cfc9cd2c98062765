// SPDX-License-Identifier: GPL-2.0-or-later
// What a boot says of a volume whose record says that it is thawed.
#pragma once

#include <string>

#include "boot/decision.hpp"

namespace regild::boot {

// `thaw`: as the boot found it; `marked`: the blocks that it keeps or undoes. "" where it is none.
std::string thaw_text(Thawing decided, const format::Thaw& thaw, Blocks marked);

}  // namespace regild::boot
