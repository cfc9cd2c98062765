# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What every test here sources: how to boot a virtual machine is said there.
# shellcheck source=../kit/vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../kit/vm.sh"
