# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For guest scripts that hold the log's writes: dm-delay keeps each for ten
# minutes, unless it is suspended, which releases what it has.

# hold_log DEVICE: /dev/mapper/slow reads and flushes at once and writes late.
hold_log() {
	n=$(sectors "$1")
	dmsetup create slow --uuid TEST-slow --table "0 $n delay $1 0 0 $1 0 600000 $1 0 0"
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

# in_flight DISK: the writes that the disk has taken.
in_flight() {
	# shellcheck disable=SC2046
	set -- $(cat "/sys/block/${1#/dev/}/inflight")
	echo "$2"
}

# full DISK
full() {
	[ "$(in_flight "$1")" = "$(cat "/sys/block/${1#/dev/}/queue/nr_requests")" ]
}

# stuck_disk DISK OFFSET: uses up the one write that a stuck disk ends.
stuck_disk() {
	touch /tmp/stuck
	echo none >"/sys/block/${1#/dev/}/queue/scheduler"
	gio write "$1" "$2" 4K 1
}

# fill_disk DISK OFFSET: a stuck disk takes no more requests.
fill_disk() {
	stuck_disk "$1" "$2"
	start fill gio batch "$1" "$2" 4K "$(cat "/sys/block/${1#/dev/}/queue/nr_requests")" 1
	eventually "the disk is full" full "$1"
}

# throttled DISK: it has writes, and gets no more, although it is not full.
throttled() {
	before=$(in_flight "$1")
	[ "$before" -gt 8 ] || return
	sleep 1
	[ "$(in_flight "$1")" = "$before" ] && ! full "$1"
}

gets_one_more() {
	[ "$(in_flight "$1")" = $((before + 1)) ]
}
