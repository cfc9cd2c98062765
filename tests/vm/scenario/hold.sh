# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For guest scripts that hold the log's writes: dm-delay keeps each for ten
# minutes, unless it is suspended, which releases what it has.

# hold_log DEVICE: /dev/mapper/slow reads and flushes at once and writes late.
hold_log() {
	n=$(sectors "$1")
	dmsetup create slow --table "0 $n delay $1 0 0 $1 0 600000 $1 0 0"
}

# held: the log has a write that waits.
held() {
	# shellcheck disable=SC2046
	set -- $(dmsetup status slow)
	[ "$5" != 0 ]
}

# start NAME COMMAND…: in the background; done_NAME appears with its status.
start() {
	start_name=$1
	shift
	rm -f "/tmp/done_$start_name"
	(
		start_status=0
		"$@" || start_status=$?
		echo $start_status >"/tmp/done_$start_name"
	) &
}

finished() {
	[ -s "/tmp/done_$1" ]
}

release() {
	dmsetup suspend --nolockfs slow
	dmsetup resume slow
	finished "$1"
}

# release_until NAME: let the log's writes go until that command has ended.
release_until() {
	eventually "$1 ends after the log's write" release "$1"
	is "status of $1" "$(cat "/tmp/done_$1")" 0
}

# sleeping N: so many gio processes wait in the kernel, as they do once the
# target has what they submitted.
sleeping() {
	# shellcheck disable=SC2009
	[ "$(ps -o stat,comm | grep -c '^D.* gio$')" = "$1" ]
}

settled() {
	sleeping "$1" || [ "$(changed /dev/vda)" != "$2" ]
}

# stays WHAT N SECTORS: N writers wait, and the data disk's count of changed
# sectors does not move. A broken target has a second more to be caught in.
stays() {
	eventually "$2 writers have submitted" settled "$2" "$3"
	sleep 1
	[ "$(changed /dev/vda)" = "$3" ] || fail "$1"
	echo "ok: not so: $1"
}
