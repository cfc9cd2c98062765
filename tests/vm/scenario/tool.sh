# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For guest scripts that run the tool, with the files of scenario/kiosk.sh.

data=/dev/vda1 log=/dev/vda2
volume="--data $data --log $log"
size=$(stat -c %s /test/golden)

# ends WHAT STATUS COMMAND…: what it prints is in /tmp/out.
ends() {
	ends_what=$1 ends_status=$2
	shift 2
	status=0
	"$@" >/tmp/out 2>/tmp/err || status=$?
	[ "$status" = "$ends_status" ] || { cat /tmp/out /tmp/err; fail "$ends_what: status $status, expected $ends_status"; }
	echo "ok: $ends_what"
}
says() { grep -q "$1" /tmp/err || { cat /tmp/err; fail "the tool does not say '$1'"; }; }
boot() { regild boot --config /test/regild.json "$@"; }
golden() {
	cmp -n "$size" /test/golden "$1" || fail "$1 is not golden $2"
	echo "ok: golden $2"
}
# session BLOCK…: writes through the mapped volume.
session() {
	for block in "$@"; do
		gio write /dev/mapper/kiosk "$((block * 64))K" 4K "$block"
	done
}
marks() { regild dirty --log $log | tr '\n' ' '; }
mapped() { [ -e /dev/mapper/kiosk ]; }
