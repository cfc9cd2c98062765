# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What guest scripts of the VM tests share; sourced before each of them.
set -eu

fail() {
	echo "FAIL: $*"
	dmesg | tail -n 15
	exit 1
}

# is WHAT ACTUAL EXPECTED
is() {
	[ "$2" = "$3" ] || fail "$1: '$2', expected '$3'"
	echo "ok: $1"
}

# fails WHAT COMMAND…: the command must fail.
fails() {
	what=$1
	shift
	if "$@"; then
		fail "$what"
	fi
	echo "ok: $what"
}

# eventually WHAT COMMAND…: wait until the command succeeds.
eventually() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt $((600 * ${slowness:-1})) ] || fail "$what: never"
		usleep 50000
	done
	echo "ok: $what"
}

sectors() {
	blockdev --getsz "$1"
}

# wl NAME DATA LOG [BLOCK SECTORS [FEATURE…]]: map the whole data device.
wl() {
	wl_name=$1 wl_data=$2 wl_log=$3 wl_block=${4:-128}
	shift 3
	[ $# = 0 ] || shift
	dmsetup create "$wl_name" --table "0 $(sectors "$wl_data") writelog $wl_data 0 $wl_log 0 $wl_block${1:+ $# $*}"
}

# state NAME FIELD: a field of the status line after the target's name.
state() {
	# shellcheck disable=SC2046
	set -- "$2" $(dmsetup status "$1")
	shift "$(($1 + 3))"
	echo "$1"
}

dirty() {
	s=$(state "$1" 1)
	echo "${s%/*}"
}
commits() { state "$1" 2; }
units() { state "$1" 3; }
deferred() { state "$1" 4; }
log_errors() { state "$1" 5; }
mode() { state "$1" 6; }

# written DISK: sectors that the disk was told to write, or to zero. Requests
# would count flushes, too.
written() {
	# shellcheck disable=SC2046
	set -- $(cat "/sys/block/${1#/dev/}/stat")
	echo "$7"
}

# changed DISK: the same, and discarded sectors.
changed() {
	# shellcheck disable=SC2046
	set -- $(cat "/sys/block/${1#/dev/}/stat")
	echo "$(($7 + ${14}))"
}

# queue NAME FILE: a limit of the mapped device's queue.
queue() {
	cat "/sys/block/$(dmsetup info -c --noheadings -o blkdevname "$1")/queue/$2"
}

# events NAME: number of dm events raised.
events() {
	dmsetup info -c --noheadings -o events "$1" | tr -d ' '
}

# fresh IMAGE DEVICE [SECTOR]: put an image from the host onto a device. dd's
# direct writes fall back to the page cache, so it is fsync that matters.
fresh() {
	dd if="$1" of="$2" bs=4096 seek="$((${3:-0} / 8))" conv=notrunc,fsync 2>/dev/null
}

# refused MESSAGE TABLE LINE…: the table must be refused, with that message.
refused() {
	message=$1
	shift
	dmesg -c >/dev/null
	if dmsetup create refused --table "$*" 2>/dev/null; then
		fail "accepted: $*"
	fi
	dmesg | grep -qF "$message" || fail "table '$*': the kernel does not say '$message'"
	echo "ok: $message"
}

# flushes DISK: flush requests that the disk has completed.
flushes() {
	# shellcheck disable=SC2046
	set -- $(cat "/sys/block/${1#/dev/}/stat")
	echo "${16}"
}
