# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Host parts that several tests share.

writelog() {
	python3 "$KIT_DIR/writelog.py" "$@"
}

# data_and_log MIB BLOCK_SECTORS: $VM_WORK/data and a clean $VM_WORK/log for it.
data_and_log() {
	truncate -s "$1M" "$VM_WORK/data"
	writelog format "$VM_WORK/log" --data-sectors $(($1 * 2048)) --block-sectors "$2"
}

# stuck_disk FILE REQUESTS: adds to QEMU's arguments, $stuck, a disk that takes
# so many requests, and reads, but ends only its first write.
stuck=()
stuck_disk() {
	local name=stuck${#stuck[@]}
	stuck+=(-object "throttle-group,id=$name-limit,x-iops-write=1,x-iops-size=1"
		-blockdev "driver=file,node-name=$name-file,filename=$1,cache.no-flush=on"
		-blockdev "driver=throttle,node-name=$name,throttle-group=$name-limit,file=$name-file"
		-device "virtio-blk-pci,drive=$name,num-queues=1,queue-size=$2")
}

# held_log SCENARIO MODULE: run a guest script that holds the log's writes.
held_log() {
	data_and_log 64 128
	vm_run --guest "$VM_DIR/scenario/$1" --module "$2" --file "$VM_DIR/scenario/hold.sh" \
		--file "$VM_WORK/log" --disk "$VM_WORK/data" --disk "$VM_WORK/log"
}

# replay MODULE: a load on one disk that carries log and data, then
# replay.py over what QEMU saw.
replay() {
	local module=$1 data_sectors=$((512 * 2048)) status=0
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
		--at-least 10000 || status=1
	rm "$VM_WORK/blklog"
	return $status
}

# golden_files: $VM_WORK/files, what a small golden image holds.
golden_files() {
	local i
	mkdir -p "$VM_WORK/files/etc"
	seq 1 2000 >"$VM_WORK/files/etc/config"
	for i in 1 2 3 4 5 6; do
		seq $((i * 1000000)) $((i * 1000000 + 80000)) >"$VM_WORK/files/file$i"
	done
}

# golden_image ext4|vfat: $VM_WORK/golden, 64 MiB.
golden_image() {
	golden_files
	truncate -s 64M "$VM_WORK/golden"
	case $1 in
	ext4) mke2fs -q -F -t ext4 -d "$VM_WORK/files" "$VM_WORK/golden" ;;
	vfat)
		mkfs.vfat -F 32 -s 1 "$VM_WORK/golden" >/dev/null 2>&1
		mcopy -s -i "$VM_WORK/golden" "$VM_WORK"/files/* ::
		;;
	esac
}

# killed_session ext4|vfat: a session on $VM_WORK/data and log that ends by
# SIGKILL amid its writes, and the check that what it changed is marked.
killed_session() {
	{
		echo "fs=$1"
		cat "$VM_DIR/scenario/session"
	} >"$VM_WORK/guest"
	vm_run --module "$VM_MODULE" --disk "$VM_WORK/data" --disk "$VM_WORK/log" \
		--kill-on '^amid writes' || return
	writelog covers "$VM_WORK/log" "$VM_WORK/golden" "$VM_WORK/data"
}

# regild_says STATUS ARGUMENT…: the tool must end with that exit code.
regild_says() {
	local expected=$1 status=0
	shift
	"$VM_TOP/build/userspace/regild" "$@" || status=$?
	((status == expected)) || vm_die "regild $1: status $status, expected $expected"
}

# restored ext4|vfat: the whole loop with the tool, on files: publish,
# provision, session, kill, restore; then the data is golden to the byte.
restored() {
	local round
	local -a volume=(--data "$VM_WORK/data" --log "$VM_WORK/log"
		--source "file://$VM_WORK/store/kiosk/1/manifest.json")
	[[ -x $VM_TOP/build/userspace/regild ]] || vm_missing "build/userspace/regild (build the tool first)"
	golden_image "$1"
	truncate -s 64M "$VM_WORK/data"
	truncate -s 1M "$VM_WORK/log"
	regild_says 0 publish "$VM_WORK/golden" --store "$VM_WORK/store" --image kiosk --version 1
	regild_says 0 format "${volume[@]}"
	regild_says 0 provision "${volume[@]}"
	cmp "$VM_WORK/golden" "$VM_WORK/data" || return
	for round in 1 2; do
		killed_session "$1" || return
		regild_says 0 restore "${volume[@]}"
		cmp "$VM_WORK/golden" "$VM_WORK/data" || return
		[[ $(writelog marks "$VM_WORK/log") == none ]] || vm_die "marks are left after session $round"
		regild_says 0 restore "${volume[@]}"
	done
}
