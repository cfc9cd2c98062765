# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Builds the kiosk, serves its image and boots it. Source it from bash.
#
#   kiosk_make NAME [MORE]       the image, cached: $KIOSK, a folder; with what
#                                is in the folder MORE put over all else; of
#                                the kernel $KVER, unpacked in $KERNEL_ROOT,
#                                with $MODULE, if another one than vm.sh's.
#                                $BOOT is where kernel and initramfs are
#   kiosk_disk FILE              a blank disk with a partition table
#   kiosk_serve / kiosk_stop_serving
#   kiosk_configure JSON [FILE…] boot with these keys in the configuration, and
#                                these files beside it
#   kiosk_boot NAME [ARGUMENT…]  start the VM with kernel arguments
#   kiosk_wait FILE REGEX SECONDS   wait for a line of NAME.console or .talk
#   kiosk_hold_and_compare       see there
#   kiosk_report / kiosk_field   what the boot reported
#   kiosk_tell COMMAND           have the session run it: $told
#   kiosk_type COMMAND           the same at the shell of the initramfs
#   kiosk_power_cut / kiosk_wait_for_end
#
# $WORK is where a run keeps its files. A VM and the server end with the
# script.

DEMO_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kit/vm.sh
. "$DEMO_DIR/../kit/vm.sh"
CACHE=$VM_TOP/build/cache
REGILD=$VM_TOP/build/userspace/regild

# Where the partitions of the kiosk's disk lie, in bytes.
IMAGE_SIZE=$((1 << 30))
DATA_START=$((1 << 20))
DATA_SIZE=$((IMAGE_SIZE + (16 << 20)))
LOG_START=$((DATA_START + DATA_SIZE))
LOG_SIZE=$((1 << 20))
CACHE_START=$((LOG_START + LOG_SIZE))
CACHE_SIZE=$((160 << 20))
say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
die() {
	echo "FAILED: $*" >&2
	exit 1
}

kiosk_cleanup() {
	[[ -z ${vm_pid:-} ]] || kill -KILL "$vm_pid" "$console_pid" 2>/dev/null
	[[ -z ${nginx_pid:-} ]] || kill -TERM "$nginx_pid" 2>/dev/null
	rm -f "$WORK"/*.in "$WORK"/*.out
}

as_root() {
	if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Everything that the image is made of is in the key of its folder.
kiosk_make() {
	local name=$1 more=${2:-} key tarball
	vm_require nginx:nginx-light mmdebstrap:mmdebstrap sfdisk:fdisk mke2fs:e2fsprogs curl:curl
	[[ -x $REGILD ]] || die "there is no $REGILD: run make tool"
	vm_kernel
	vm_module
	[[ -n ${KVER:-} ]] || KVER=$VM_KVER KERNEL_ROOT=$VM_KERNEL_ROOT MODULE=$VM_MODULE
	vm_accel
	# With a thread for each of two CPUs a guest hangs now and then, where one CPU
	# patches the code that the other one runs.
	VM_ACCEL=${VM_ACCEL/thread=multi/thread=single}
	mkdir -p "$CACHE"
	kiosk_choose_port
	tarball=$CACHE/rootfs-$(sed -n '/^packages/p; /variant=/p' "$DEMO_DIR/image" | sha256sum | cut -c 1-12).tar
	key=$({
		echo "$tarball" "$KVER" "$PORT"
		cat "$REGILD" "$MODULE" "$DEMO_DIR/image" "$DEMO_DIR"/kiosk/*
		find "$VM_TOP/userspace/initramfs" "$VM_TOP/userspace/systemd" -type f -print0 | sort -z | xargs -0 cat
		[[ -z $more ]] || tar -c --sort=name --mtime=@0 --owner=0 --group=0 -C "$more" .
	} | sha256sum | cut -c 1-12)
	KIOSK=$CACHE/$name-$key
	BOOT=$KIOSK
	if [[ ! -e $KIOSK/golden.img ]]; then
		[[ -e $tarball ]] || say "downloading Debian 12 with mmdebstrap"
		say "making the golden image and the initramfs"
		as_root rm -rf "$CACHE/$name"-*
		as_root "$DEMO_DIR/image" "$tarball" "$KERNEL_ROOT" "$KVER" "$MODULE" "$PORT" "$KIOSK.part" ${more:+"$more"} \
			>"$CACHE/image.log" 2>&1 || {
			tail -n 20 "$CACHE/image.log"
			die "the image could not be made"
		}
		as_root chown -R "$(id -u):$(id -g)" "$KIOSK.part" "$tarball"
		mv "$KIOSK.part" "$KIOSK"
	fi
}

# The guest's configuration names the port: keep one as long as it is free.
kiosk_choose_port() {
	PORT=$(cat "$CACHE/port" 2>/dev/null)
	PORT=$(python3 - "${PORT:-0}" <<-'EOT'
		import socket, sys
		for port in (int(sys.argv[1]), 0):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    try:
		        s.bind(("127.0.0.1", port))
		    except OSError:
		        continue
		    print(s.getsockname()[1])
		    break
	EOT
	)
	echo "$PORT" >"$CACHE/port"
}

kiosk_disk() {
	rm -f "$1"
	truncate -s $((CACHE_START + CACHE_SIZE + (1 << 20))) "$1"
	sfdisk -q "$1" <<-EOT
		label: gpt
		unit: sectors
		start=$((DATA_START / 512)), size=$((DATA_SIZE / 512)), type=$(vm_gpt_type DATA), name=kiosk
		start=$((LOG_START / 512)), size=$((LOG_SIZE / 512)), type=$(vm_gpt_type LOG), name=kiosk-log
		start=$((CACHE_START / 512)), size=$((CACHE_SIZE / 512)), type=$(vm_gpt_type CACHE), name=kiosk-cache
	EOT
}

kiosk_serve() {
	sed "s|@FOLDER@|$WORK|; s|@PORT@|$PORT|; /@MORE@/d" "$KIT_DIR/nginx.conf" >"$WORK/nginx.conf"
	nginx -p "$WORK" -c "$WORK/nginx.conf" -e "$WORK/error.log" &
	nginx_pid=$!
	until curl -s -o /dev/null "http://127.0.0.1:$PORT/sentinel"; do
		kill -0 "$nginx_pid" 2>/dev/null || die "nginx does not start: $(tail -n 1 "$WORK/error.log")"
		sleep 0.1
	done
}

kiosk_stop_serving() {
	kill -QUIT "$nginx_pid"
	wait "$nginx_pid"
	nginx_pid=
}

# kiosk_configuration ROOT JSON: write the configuration with these keys.
kiosk_configuration() {
	mkdir -p "$1/etc/regild"
	python3 - "$DEMO_DIR/kiosk/regild.json" "$PORT" "$2" >"$1/etc/regild/regild.json" <<-'EOT'
		import json, sys
		text = open(sys.argv[1]).read().replace("@PORT@", sys.argv[2])
		print(json.dumps(json.loads(text) | json.loads(sys.argv[3])))
	EOT
}

# An archive that follows the initramfs replaces its files: the kernel unpacks
# them in order, each at a multiple of four.
kiosk_configure() {
	local dir=$WORK/overlay
	rm -rf "$dir"
	kiosk_configuration "$dir" "$1"
	shift
	[[ $# == 0 ]] || cp "$@" "$dir/etc/regild/"
	cp "$BOOT/initrd.img" "$WORK/initrd.img"
	truncate -s %4 "$WORK/initrd.img"
	vm_cpio "$dir" "$WORK/overlay.cpio"
	cat "$WORK/overlay.cpio" >>"$WORK/initrd.img"
	INITRD=$WORK/initrd.img
}

# kiosk_boot NAME [ARGUMENT…]: with no_network=1 the machine has no network device.
# With machine=OTHER, $WORK/OTHER.img is its disk and not disk.img, and has a serial
# number of its own; with stick=FILE it has a second one. NAME.console gets the
# first serial port, NAME.talk the second. The third brings answers to the guest,
# and pipes carry what is typed on the console and QEMU's control protocol.
kiosk_boot() {
	local pipe cpu=host panic=panic=1 devices=()
	# Not "max": QEMU 7.2 emulates AVX2 wrongly, and systemd fails at random.
	# Nehalem has SSE 4.2, for the checksum of the log; with rdrand random numbers are
	# ready at once.
	[[ $VM_ACCEL == kvm ]] || cpu=Nehalem,+rdrand
	[[ -n ${no_network:-} ]] || devices+=(-netdev 'user,id=net' -device 'virtio-net-pci,netdev=net')
	[[ -z ${stick:-} ]] || devices+=(-drive "file=$stick,format=raw,if=none,id=stick" -device 'virtio-blk-pci,drive=stick,serial=stick')
	DISK=$WORK/${machine:-disk}.img
	vm_name=$1
	told_commands=0
	shift
	# With panic= the initramfs opens no shell.
	[[ " $*" != *" break="* ]] || panic=
	for pipe in console answer qmp; do
		rm -f "$WORK/$pipe".{in,out}
		mkfifo "$WORK/$pipe".{in,out}
	done
	rm -f "$WORK/$vm_name".{console,talk}
	touch "$WORK/$vm_name".{console,talk}
	cat "$WORK/console.out" >/dev/null &
	console_pid=$!
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine pc \
		-accel "$VM_ACCEL" -cpu "$cpu" -smp 2 -m 1024 \
		-kernel "$BOOT/vmlinuz" -initrd "${INITRD:-$BOOT/initrd.img}" \
		-append "console=ttyS0 ip=dhcp noresume $panic mitigations=off no_timer_check $*" \
		-drive "file=$DISK,format=raw,if=none,id=disk" -device "virtio-blk-pci,drive=disk,serial=kiosk-${machine:-disk}" \
		"${devices[@]}" -device virtio-rng-pci \
		-chardev "pipe,id=console,path=$WORK/console,logfile=$WORK/$vm_name.console" -serial chardev:console \
		-serial "file:$WORK/$vm_name.talk" \
		-chardev "pipe,id=answer,path=$WORK/answer" -serial chardev:answer \
		-chardev "pipe,id=qmp,path=$WORK/qmp" -mon chardev=qmp,mode=control \
		>"$WORK/$vm_name.qemu" 2>&1 &
	vm_pid=$!
	exec {console}<>"$WORK/console.in" {answer}<>"$WORK/answer.in" {qmp_in}<>"$WORK/qmp.in" {qmp_out}<>"$WORK/qmp.out"
	qmp qmp_capabilities
}

qmp() {
	local line
	echo "{\"execute\": \"$1\"}" >&"$qmp_in"
	while read -r -t 60 line <&"$qmp_out"; do
		case $line in
		*'"return"'*)
			qmp_said=$line
			return 0
			;;
		*'"error"'*) die "QEMU: $1: $line" ;;
		esac
	done
	die "QEMU does not answer: $(tail -n 1 "$WORK/$vm_name.qemu")"
}

# kiosk_wait console|talk REGEX SECONDS
kiosk_wait() {
	local file=$WORK/$vm_name.$1 deadline=$((SECONDS + $3))
	until grep -qaE "$2" "$file"; do
		if ! kill -0 "$vm_pid" 2>/dev/null && ! grep -qaE "$2" "$file"; then
			tail -n 15 "$WORK/$vm_name.console"
			die "$vm_name: the VM ended before \"$2\" was seen in $file"
		fi
		if ((SECONDS > deadline)); then
			tail -n 15 "$WORK/$vm_name.console"
			# A disk of the host's that is full stops the machine, and says so here alone.
			echo "QEMU: $(qmp query-status; echo "$qmp_said"); free on this disk: $(df -h --output=avail "$WORK" | tail -n 1)"
			die "$vm_name: no \"$2\" in $file after $3 s"
		fi
		sleep 0.2
	done
}

# The guest waits in its initramfs, the volume is mapped but not mounted. QEMU
# stops the machine and writes out all it holds; what the disk's file has then
# is what the kiosk would mount.
#   kiosk_hold_and_compare SECONDS [IMAGE]
kiosk_hold_and_compare() {
	kiosk_wait talk 'demo: held before the mount' "$1"
	qmp stop
	cmp --ignore-initial="$DATA_START:0" --bytes="$IMAGE_SIZE" "$DISK" "${2:-$KIOSK/golden.img}" ||
		die "$vm_name: the partition differs from the golden image"
	qmp cont
	echo go >&"$answer"
}

# Cut the JSON report out of what the session said.
kiosk_report() {
	kiosk_wait talk 'demo: end of report' 60
	sed -n '/^demo: report/,/^demo: end of report/p' "$WORK/$vm_name.talk" | tr -d '\r' |
		sed '1d;$d' >"$WORK/$vm_name.report.json"
}

# kiosk_field NAME KEY: of the report of that boot.
kiosk_field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$WORK/$1.report.json" "$2"; }

# kiosk_tell COMMAND: a session `told` runs it. What it printed is $told; returns
# how it ended.
kiosk_tell() {
	kiosk_wait talk "^demo: command $((told_commands + 1))\$" 300
	told_commands=$((told_commands + 1))
	echo "$1" >&"$answer"
	kiosk_told talk
}

# kiosk_type COMMAND: the same on the console, at the shell of a machine that was
# started with break=. What is echoed of the line has $n in it.
kiosk_type() {
	told_commands=$((told_commands + 1))
	echo "n=$told_commands; echo \"demo: command \$n\"; $1; echo \"demo: command \$n ended with \$?\"" >&"$console"
	kiosk_told console
}

kiosk_told() {
	kiosk_wait "$1" "^demo: command $told_commands ended with [0-9]" 300
	# Of progress on a terminal, what is left to be seen.
	told=$(tr -d '\r' <"$WORK/$vm_name.$1" | sed 's/.*\x1b\[K//' |
		sed -n "/^demo: command $told_commands\$/,/^demo: command $told_commands ended with/p")
	local status=${told##* ended with }
	told=$(sed '1d;$d' <<<"$told")
	return "$status"
}

kiosk_power_cut() {
	kill -KILL "$vm_pid"
	kiosk_reap
}

kiosk_wait_for_end() {
	local deadline=$((SECONDS + $1))
	while kill -0 "$vm_pid" 2>/dev/null; do
		((SECONDS < deadline)) || die "$vm_name: the VM has not ended after $1 s"
		sleep 0.2
	done
	kiosk_reap
}

kiosk_reap() {
	{ wait "$vm_pid"; } 2>/dev/null
	wait "$console_pid"
	vm_pid=
	exec {console}>&- {answer}>&- {qmp_in}>&- {qmp_out}>&-
}
