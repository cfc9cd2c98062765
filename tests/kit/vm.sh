# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Boots Debian's cloud kernel with the writelog module in QEMU. Source it from
# bash; it needs no root. What it builds is cached below build/vm and guarded
# by locks, so that several scripts may use it at once.
#
# With VM_ON=NAME it boots another kernel, one that tests/vm/kernels has made,
# and builds below build/vm-NAME.
#
#   vm_require                      check the programs that are needed
#   vm_workdir NAME                 make build/vm/NAME afresh: $VM_WORK
#   vm_kernel                       unpack the kernel: $VM_KVER, $VM_KERNEL
#   vm_module                       build the module: $VM_MODULE, a path
#   vm_test_module NAME             build another of these tests' modules:
#                                   $VM_TEST_MODULE, a path
#   vm_initramfs [PROGRAM…]         build the base initramfs with these
#                                   programs added: $VM_INITRAMFS, a path
#   vm_accel                        find a working accelerator: $VM_ACCEL
#   vm_run [OPTION…] [-- QEMU ARG…] boot, run the guest script, collect
#
# A missing prerequisite ends the script with status 77 and a line that starts
# with "missing:".

KIT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_TOP=$(cd "$KIT_DIR/../.." && pwd)
VM_DIR=$VM_TOP/tests/vm
export PYTHONPATH=$KIT_DIR
VM_BUILD=$VM_TOP/build/vm${VM_ON:+-$VM_ON}
PATH=$PATH:/usr/sbin:/sbin

# Console lines that fail a run, unless --expect admits them.
VM_FAULTS='BUG:|WARNING:|Oops|KASAN|KCSAN|UBSAN|possible (recursive|circular) locking'
VM_FAULTS+='|possible irq lock inversion|inconsistent lock state|hung task|blocked for more than'
VM_FAULTS+='|general protection|Kernel panic|kmemleak|ODEBUG|refcount_t:|list_(add|del) corruption'

# What a kernel of tests/vm/kernels says of itself; see its `settings`.
VM_CPU=max VM_TCG=multi VM_CHROOT='' VM_MORE_MEMORY=0 VM_SLOWNESS=1 VM_APPEND=''

# Kernel modules of the base initramfs; their dependencies come along. A script may add some.
VM_MODULES='virtio_pci virtio_blk virtio_net dm-mod dm-delay dm-flakey dm-log-writes dm-era
	dm-snapshot dm-thin-pool dm-zero virtio_scsi sd_mod brd null_blk
	vfat nls_cp437 nls_ascii nls_utf8'
# Since 6.15 crc32c is no module any more.
VM_OLD_MODULES='crc32c-intel libcrc32c'

vm_die() {
	echo "$*" >&2
	exit 1
}

vm_missing() {
	echo "missing: $*"
	exit 77
}

# vm_gpt_type DATA|LOG|CACHE: a partition's type, as the project's headers have it.
vm_gpt_type() {
	sed -n "s/^#define [A-Z]*_GPT_TYPE_$1[^\"]*\"\(.*\)\"/\1/p" "$VM_TOP"/include/regild/*.h
}

# vm_require [PROGRAM:PACKAGE…]: what every VM needs, and what is named.
vm_require() {
	local pair
	for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static dmsetup:dmsetup \
		cpio:cpio depmod:kmod gcc:gcc make:make dpkg:dpkg flock:util-linux setpriv:util-linux \
		python3:python3 "$@"; do
		command -v "${pair%%:*}" >/dev/null ||
			vm_missing "program ${pair%%:*} (package ${pair##*:})"
	done
	vm_headers
}

# The newest installed headers of the cloud kernel, as a path: $VM_HEADERS.
vm_headers() {
	[[ -z ${VM_ON:-} ]] || return 0
	VM_HEADERS=$(find /usr/src -maxdepth 1 -name 'linux-headers-*-cloud-amd64' | sort -V | tail -n 1)
	[[ -n $VM_HEADERS ]] || vm_missing "the cloud kernel's headers (package linux-headers-cloud-amd64)"
}

vm_workdir() {
	VM_WORK=$VM_BUILD/$1
	rm -rf "$VM_WORK"
	mkdir -p "$VM_WORK"
}

# vm_locked NAME COMMAND…: run under a lock of that name; not in a subshell,
# so that the command may set variables.
vm_locked() {
	local lock_fd status=0
	mkdir -p "$VM_BUILD"
	exec {lock_fd}>"$VM_BUILD/.$1.lock"
	flock "$lock_fd"
	shift
	"$@" || status=$?
	exec {lock_fd}>&-
	return "$status"
}

vm_kernel() {
	if [[ -n ${VM_ON:-} ]]; then
		VM_KERNEL_ROOT=$VM_TOP/build/cache/kernels/$VM_ON/root
		[[ -e ${VM_KERNEL_ROOT%/*}/settings ]] || vm_missing "kernel $VM_ON: tests/vm/kernels $VM_ON makes it"
		# shellcheck disable=SC1091
		. "${VM_KERNEL_ROOT%/*}/settings"
		VM_KERNEL=$VM_KERNEL_ROOT/boot/vmlinuz-$VM_KVER
		return
	fi
	vm_headers
	VM_KVER=${VM_HEADERS##*/linux-headers-}
	VM_KERNEL_ROOT=$VM_BUILD/kernel/$VM_KVER
	VM_KERNEL=$VM_KERNEL_ROOT/boot/vmlinuz-$VM_KVER
	[[ -e $VM_KERNEL_ROOT/.complete ]] || vm_locked kernel vm_kernel_unpack
}

vm_kernel_unpack() {
	local version deb
	[[ ! -e $VM_KERNEL_ROOT/.complete ]] || return 0
	rm -rf "$VM_KERNEL_ROOT"
	mkdir -p "$VM_KERNEL_ROOT"
	# The image that belongs to the headers, not the newest one: the ABI name
	# is the same over several versions.
	version=$(dpkg-query -W -f '${Version}' "linux-headers-$VM_KVER")
	(cd "$VM_KERNEL_ROOT" &&
		apt-get download "linux-image-$VM_KVER=$version" >download.log 2>&1) ||
		vm_missing "package linux-image-$VM_KVER $version: apt-get download failed," \
			"see $VM_KERNEL_ROOT/download.log (apt-get update may help)"
	deb=$(echo "$VM_KERNEL_ROOT"/*.deb)
	dpkg -x "$deb" "$VM_KERNEL_ROOT"
	depmod -b "$VM_KERNEL_ROOT" "$VM_KVER"
	rm "$deb"
	touch "$VM_KERNEL_ROOT/.complete"
}

# vm_module: build a copy of kernel/.
vm_module() {
	vm_kernel
	VM_MODULE_DIR=$VM_BUILD/module
	VM_MODULE=$VM_MODULE_DIR/dm-writelog.ko
	vm_locked module vm_module_build
}

vm_module_build() {
	local dir=$VM_MODULE_DIR key
	key=$(cd "$VM_TOP" && {
		echo "$VM_KVER"
		find kernel include -type f \( -name '*.[ch]' -o -name 'Kbuild' -o -name 'Makefile' \) \
			-print0 | sort -z | xargs -0 sha256sum
	} | sha256sum)
	[[ -e $VM_MODULE && $(cat "$dir/key" 2>/dev/null) == "$key" ]] && return
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -r "$VM_TOP/kernel" "$VM_TOP/include" "$dir/"
	vm_kbuild "$dir" kernel
	mv "$dir/kernel/dm-writelog.ko" "$VM_MODULE" || vm_die "the build made no dm-writelog.ko"
	echo "$key" >"$dir/key"
}

# vm_kbuild DIR FOLDER: build the module in that folder of DIR, which may use
# all of DIR. Where a kernel has its compiler in a chroot, DIR goes there.
vm_kbuild() {
	local log=$1/build.log inside status=0
	if [[ -z $VM_CHROOT ]]; then
		make -C "$VM_HEADERS" M="$1/$2" modules >"$log" 2>&1 || status=$?
	else
		inside=$(mktemp -d "$VM_CHROOT/tmp/module.XXXXXX")
		cp -r "$1/." "$inside/"
		# objtool reads /proc.
		unshare --mount --pid --fork --root="$VM_CHROOT" --mount-proc \
			make -C "/usr/src/linux-headers-$VM_KVER" \
			M="${inside#"$VM_CHROOT"}/$2" modules >"$log" 2>&1 || status=$?
		((status != 0)) || cp "$inside/$2"/*.ko "$1/$2/"
		rm -rf "$inside"
	fi
	((status == 0)) || {
		cat "$log"
		vm_die "the module in $1 does not build"
	}
}

# vm_test_module NAME: build NAME.c of this folder: $VM_TEST_MODULE, a path.
vm_test_module() {
	vm_kernel
	VM_TEST_MODULE=$VM_BUILD/module-$1/$1.ko
	vm_locked "module-$1" vm_test_module_build "$1"
}

vm_test_module_build() {
	local dir=${VM_TEST_MODULE%/*}
	[[ $VM_TEST_MODULE -nt $VM_DIR/$1.c && $(cat "$dir/key" 2>/dev/null) == "$VM_KVER" ]] && return
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$VM_DIR/$1.c" "$dir/"
	echo "obj-m := $1.o" >"$dir/Kbuild"
	vm_kbuild "$dir" .
	echo "$VM_KVER" >"$dir/key"
}

# vm_initramfs [PROGRAM…]: an uncompressed cpio archive with init, guest.sh,
# busybox, dmsetup, gio, kernel modules and the programs (paths or names).
vm_initramfs() {
	local key
	local program
	local -a parts=("$KIT_DIR/init" "$KIT_DIR/guest.sh" "$VM_BUILD/gio" "$KIT_DIR/vm.sh")
	vm_kernel
	vm_locked gio vm_gio_build
	for program in busybox dmsetup "$@"; do
		parts+=("$(command -v "$program")") || vm_missing "program $program"
	done
	key=$({
		echo "$VM_KVER" "$VM_MODULES" "$@"
		cat "${parts[@]}"
	} | sha256sum | cut -c 1-16)
	VM_INITRAMFS=$VM_BUILD/initramfs/$key.cpio
	[[ -e $VM_INITRAMFS ]] || vm_locked initramfs vm_initramfs_build "$@"
}

# gio makes exact I/O in the guest; static, so that it runs anywhere.
vm_gio_build() {
	[[ $VM_BUILD/gio -nt $KIT_DIR/gio.c && $VM_BUILD/gio -nt $VM_TOP/include/regild/writelog_format.h ]] ||
		gcc -static -O2 -Wall -Wextra -Werror -pthread -I "$VM_TOP/include" \
			-o "$VM_BUILD/gio" "$KIT_DIR/gio.c" || vm_die "gio.c does not compile"
}

vm_initramfs_build() {
	local root program module deps
	[[ ! -e $VM_INITRAMFS ]] || return 0
	root=$(mktemp -d "$VM_BUILD/initramfs.XXXXXX")
	mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,run,mnt,test,etc} "$root/lib/modules/$VM_KVER"
	cp "$KIT_DIR/init" "$root/init"
	cp "$KIT_DIR/guest.sh" "$VM_BUILD/gio" "$(command -v busybox)" "$root/bin/"
	ln -s ../proc/self/mounts "$root/etc/mtab"
	for program in dmsetup "$@"; do
		vm_copy_program "$root" "$(command -v "$program")"
	done
	# What debuggers read is many times the program, and would not fit into the guest's memory.
	find "$root"/{bin,sbin,usr} -type f -perm -u+x -size +8M -exec strip --strip-debug {} + 2>/dev/null || true
	for module in $VM_OLD_MODULES $VM_MODULES; do
		deps=$(modprobe -q -d "$VM_KERNEL_ROOT" -S "$VM_KVER" --show-depends "$module") ||
			[[ " $VM_OLD_MODULES " == *" $module "* ]] ||
			vm_die "the kernel package has no module $module"
		sed -n 's/^insmod \([^ ]*\).*/\1/p' <<<"$deps"
	done | sort -u | while read -r module; do
		cp "$module" "$root/lib/modules/$VM_KVER/"
	done
	cp "$VM_KERNEL_ROOT/lib/modules/$VM_KVER"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$VM_KVER/"
	depmod -b "$root" "$VM_KVER"
	mkdir -p "${VM_INITRAMFS%/*}"
	vm_cpio "$root" "$VM_INITRAMFS.part"
	mv "$VM_INITRAMFS.part" "$VM_INITRAMFS"
	rm -rf "$root"
}

# vm_copy_program ROOT PATH: a program with the libraries that ldd finds.
vm_copy_program() {
	local library
	cp -L "$2" "$1/sbin/"
	{ ldd "$2" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$1${library%/*}"
		cp -Ln "$library" "$1$library"
	done
}

# vm_cpio DIR FILE: archives can be appended to one another; the kernel
# unpacks them in order.
vm_cpio() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$2"
}

# A /dev/kvm may be there and yet hang the guest: believe only a boot.
vm_accel() {
	local cache
	[[ -z ${VM_ACCEL:-} ]] || return 0
	cache=$VM_BUILD/accel-$(cat /proc/sys/kernel/random/boot_id)
	[[ -e $cache ]] || vm_locked accel vm_accel_probe "$cache"
	VM_ACCEL=$(cat "$cache")
}

vm_accel_probe() {
	[[ ! -e $1 ]] || return 0
	local VM_WORK=$VM_BUILD/accel
	mkdir -p "$VM_WORK"
	echo 'exit 0' >"$VM_WORK/guest"
	if [[ -w /dev/kvm ]] && vm_run --accel kvm --timeout 30 >/dev/null 2>&1; then
		echo kvm >"$1"
	else
		echo tcg,thread=multi >"$1"
	fi
}

# vm_wait_for_init PID STATUS-FILE: until the guest has a first process; fails
# when it has none in the end.
vm_wait_for_init() {
	local deadline=$((SECONDS + 90 * VM_SLOWNESS))
	while ! grep -qs init "$2"; do
		kill -0 "$1" 2>/dev/null || { grep -qs init "$2"; return; }
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

# vm_run [OPTION…] [-- QEMU ARG…]
#
#   --guest FILE      script to run in the guest ($VM_WORK/guest)
#   --label NAME      names the files of this boot: $VM_WORK/NAME.console,
#                     .output and .status (vm)
#   --initramfs FILE  base from vm_initramfs (without further programs)
#   --module FILE     module to load before the script runs; none if absent
#   --file SRC[:DST]  file to put into the guest; /test/<name> by default
#   --disk FILE[,PROPERTY=VALUE…]
#                     raw file as /dev/vda, vdb, …; virtio-blk properties
#   --smp N (2)   --memory MIB (384)   --timeout SECONDS (240)
#   --accel NAME      instead of what vm_accel finds
#   --append TEXT     more kernel command line
#   --kill-on REGEX   kill QEMU once the output has a line that matches: how
#                     sessions end here. Then the status is 0, and 1 if the
#                     guest ended first
#   --expect REGEX    console lines that are no fault here
#   --shell yes       the console is this terminal, with a shell for a person
#
# Returns the status of the guest script; 124 on a timeout, 125 if the guest
# ended without one, 126 for a fault on the console. Disks are the host's
# files without a flush to the host's disk: the guest never outlives the host.
vm_run() {
	local guest=$VM_WORK/guest label=vm initramfs='' module='' smp=2 memory=384 timeout=240
	local accel='' append='' kill_on='' expect='' shell='' disk file props node=0
	local -a files=() qemu=()
	while (($#)); do
		case $1 in
		--guest) guest=$2 ;;
		--label) label=$2 ;;
		--initramfs) initramfs=$2 ;;
		--module) module=$2 ;;
		--file) files+=("$2") ;;
		--disk)
			file=${2%%,*}
			props=${2#"$file"}
			qemu+=(-blockdev "driver=raw,node-name=disk$node,discard=unmap,file.driver=file,file.filename=$file,file.discard=unmap,file.cache.no-flush=on"
				-device "virtio-blk-pci,drive=disk$node$props")
			node=$((node + 1))
			;;
		--smp) smp=$2 ;;
		--memory) memory=$2 ;;
		--timeout) timeout=$2 ;;
		--accel) accel=$2 ;;
		--append) append=$2 ;;
		--kill-on) kill_on=$2 ;;
		--expect) expect=$2 ;;
		--shell) shell=$2 ;;
		--)
			shift
			qemu+=("$@")
			break
			;;
		*) vm_die "vm_run: unknown option $1" ;;
		esac
		shift 2
	done

	local out=$VM_WORK/$label root status=0
	vm_kernel
	if [[ -z $initramfs ]]; then
		vm_initramfs
		initramfs=$VM_INITRAMFS
	fi
	[[ -n $accel ]] || { vm_accel; accel=${VM_ACCEL/thread=multi/thread=$VM_TCG}; }
	memory=$((memory + VM_MORE_MEMORY)) timeout=$((timeout * VM_SLOWNESS))
	root=$(mktemp -d "$VM_WORK/initrd.XXXXXX")
	mkdir -p "$root/test"
	cp "$guest" "$root/test/guest"
	[[ -z $module ]] || cp "$module" "$root/test/dm-writelog.ko"
	for file in "${files[@]}"; do
		disk=${file#"${file%%:*}"}
		disk=$root${disk:-:/test/${file##*/}}
		disk=${disk/:/}
		mkdir -p "${disk%/*}"
		cp "${file%%:*}" "$disk"
	done
	vm_cpio "$root" "$out.cpio"
	cat "$initramfs" "$out.cpio" >"$out.initrd"
	rm -rf "$root" "$out.cpio"

	# no_timer_check: a guest that a busy host starves at the wrong moment finds
	# its timer broken, and panics.
	qemu=(-nodefaults -no-user-config -display none -no-reboot -machine pc -accel "$accel"
		-cpu "$VM_CPU" -smp "$smp" -m "$memory" -kernel "$VM_KERNEL" -initrd "$out.initrd"
		-append "console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off no_timer_check slowness=$VM_SLOWNESS${shell:+ shell=$shell} $VM_APPEND $append"
		-serial "$([[ -n $shell ]] && echo mon:stdio || echo "file:$out.console")" -serial "file:$out.output" -serial "file:$out.status"
		"${qemu[@]}")
	printf '%q ' qemu-system-x86_64 "${qemu[@]}" >"$out.command"
	if [[ -n $shell ]]; then
		qemu-system-x86_64 "${qemu[@]}" || status=$?
		rm -f "$out.initrd"
		return "$status"
	fi
	# Once in a few hundred boots QEMU without KVM runs into an instruction that the
	# kernel is just patching, and hangs or oopses before there is a process.
	# Nothing of ours runs by then, and no disk has been touched: once more.
	local attempt pid killed=
	for attempt in 1 2 3; do
		rm -f "$out.console" "$out.output" "$out.status"
		# QEMU ends with this shell, however it ends.
		setpriv --pdeathsig TERM timeout -k 5 "$timeout" \
			qemu-system-x86_64 "${qemu[@]}" >"$out.qemu" 2>&1 &
		pid=$!
		vm_wait_for_init "$pid" "$out.status" && break
		((attempt < 3)) || break
		echo "$label: the kernel did not get as far as its first process; once more"
		# timeout's child is QEMU.
		pkill -KILL -P "$pid"
		{ wait "$pid"; } 2>/dev/null
	done
	if [[ -n $kill_on ]]; then
		while kill -0 "$pid" 2>/dev/null; do
			if grep -qsE "$kill_on" "$out.output"; then
				pkill -KILL -P "$pid" && killed=1
				break
			fi
			sleep 0.05
		done
	fi
	{ wait "$pid"; } 2>/dev/null || status=$?
	rm -f "$out.initrd"

	local fault
	fault=$(grep -E "$VM_FAULTS" "$out.console" | grep -vE "${expect:-^$}" | head -n 3)
	if [[ -n $fault ]]; then
		echo "$label: the console shows a fault: $fault"
		return 126
	elif [[ -n $killed ]]; then
		return 0
	elif ((status == 124 || status == 137)); then
		echo "$label: no end after $timeout s"
		return 124
	elif [[ -n $kill_on ]]; then
		echo "$label: the guest ended before it printed $kill_on"
		return 1
	elif ! grep -qs '[0-9]' "$out.status"; then
		echo "$label: the guest ended without a status; QEMU: $(tail -n 2 "$out.qemu")"
		return 125
	fi
	return "$(tr -dc 0-9 <"$out.status")"
}
