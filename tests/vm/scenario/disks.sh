# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Host parts that several tests share.

writelog() {
	python3 "$VM_DIR/writelog.py" "$@"
}

# data_and_log MIB BLOCK_SECTORS: $VM_WORK/data and a clean $VM_WORK/log for it.
data_and_log() {
	truncate -s "$1M" "$VM_WORK/data"
	writelog format "$VM_WORK/log" --data-sectors $(($1 * 2048)) --block-sectors "$2"
}

# held_log SCENARIO MODULE: run a guest script that holds the log's writes.
held_log() {
	data_and_log 64 128
	vm_run --guest "$VM_DIR/scenario/$1" --module "$2" --file "$VM_DIR/scenario/hold.sh" \
		--file "$VM_WORK/log" --disk "$VM_WORK/data" --disk "$VM_WORK/log"
}

# caught TEXT COMMAND…: the command must fail, and its output say TEXT.
caught() {
	local text=$1
	shift
	! "$@" || vm_die "the broken target was not caught"
	grep -F "$text" "$VM_WORK"/*.output || vm_die "the run failed, but not with: $text"
}

# replay MODULE [OPTION…]: a load on one disk that carries log and data, then
# replay.py over what QEMU saw.
replay() {
	local module=$1 data_sectors=$((512 * 2048)) status=0
	shift
	truncate -s 513M "$VM_WORK/disk"
	: >"$VM_WORK/blklog"
	writelog format "$VM_WORK/disk" --data-sectors $data_sectors --block-sectors 8
	cat >"$VM_WORK/guest" <<-'GUEST'
		n=1048576
		dmsetup create log --table "0 2048 linear /dev/vda 0"
		dmsetup create data --table "0 $n linear /dev/vda 2048"
		wl top /dev/mapper/data /dev/mapper/log 8 allow_discards
		gio load /dev/mapper/top 0 512M 4K 4 1500 1 wwwssszdf >/dev/null
		gio flush /dev/mapper/top
		dmsetup status top
	GUEST
	vm_run --module "$module" -- \
		-blockdev "driver=file,node-name=dfile,filename=$VM_WORK/disk,discard=unmap,cache.no-flush=on" \
		-blockdev "driver=file,node-name=lfile,filename=$VM_WORK/blklog,cache.no-flush=on" \
		-blockdev driver=blklogwrites,node-name=logged,file=dfile,log=lfile,discard=unmap \
		-device virtio-blk-pci,drive=logged || return
	python3 "$VM_DIR/replay.py" "$VM_WORK/blklog" --log-start 0 --data-start 1048576 \
		--data-sectors $data_sectors --block-sectors 8 \
		--at-least 10000 "$@" || status=1
	rm "$VM_WORK/blklog"
	return $status
}
