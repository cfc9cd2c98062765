# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Host parts of the tests that run the tool in the guest: a published image of
# 16 MiB and a disk with two partitions, as README has them.

KIOSK_SIZE=$((16 << 20))
KIOSK_DATA_START=$((1 << 20))
KIOSK_LOG_START=$((20 << 20))
kiosk_files=()

# kiosk_image [PROGRAM…]: $VM_WORK/golden and its store, for the guest in /test/store; the
# configuration is /test/regild.json. The first half is not zero.
kiosk_image() {
	local file regild=$VM_TOP/build/userspace/regild
	[[ -x $regild ]] || vm_missing "build/userspace/regild (build the tool first)"
	seq 1 2000000 | head -c $((KIOSK_SIZE / 2)) >"$VM_WORK/golden"
	truncate -s "$KIOSK_SIZE" "$VM_WORK/golden"
	"$regild" publish "$VM_WORK/golden" --store "$VM_WORK/store" --image kiosk --version 1 --channel stable ||
		vm_die "regild publish failed"
	cat >"$VM_WORK/regild.json" <<-'EOT'
		{"data": "PARTLABEL=kiosk", "log": "PARTLABEL=kiosk-log", "name": "kiosk", "device_timeout": 10,
		 "source": "file:///test/store/kiosk/stable.json"}
	EOT
	for file in golden regild.json store/kiosk/stable.json store/kiosk/1/{manifest.json,image.zst,image.index,image.verity}; do
		kiosk_files+=(--file "$VM_WORK/$file:/test/$file")
	done
	vm_initramfs "$regild" "$@"
	kiosk_files+=(--initramfs "$VM_INITRAMFS" --file "$VM_DIR/scenario/tool.sh")
}

# kiosk_disk FILE: blank but for its partition table.
kiosk_disk() {
	truncate -s 24M "$1"
	sfdisk -q "$1" <<-EOT
		label: gpt
		unit: sectors
		start=$((KIOSK_DATA_START / 512)), size=$((KIOSK_SIZE / 512 + 64)), type=$(vm_gpt_type DATA), name=kiosk
		start=$((KIOSK_LOG_START / 512)), size=2048, type=$(vm_gpt_type LOG), name=kiosk-log
	EOT
}
