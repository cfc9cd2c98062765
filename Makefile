# SPDX-License-Identifier: GPL-2.0-or-later
# `make demo` and `make check` set everything up on a fresh Debian 12; the rest is for daily work.
JOBS := $(shell nproc)

.PHONY: tool module demo demo-failures demo-update check lint unit sanitize integration check-threads check-object-store vm check-kernels check-kernel-debug fuzz mutants mutants-sample boots bench bench-quick bench-kernel install install-boot clean help

help:
	@echo 'make demo          boot a real Debian kiosk through provision, power cut and restore'
	@echo 'make demo-failures the same kiosk with a foreign disk, no server, power cuts, regild=off'
	@echo 'make demo-update   the same kiosk with signed releases: staged, confirmed, gone back from, refused, captured'
	@echo 'make check         every test and lint'
	@echo 'make mutants       break each promise on purpose: its tests must fail'
	@echo 'make bench         restore, provisioning, publishing against the floor and peers, held against the bars'
	@echo 'make bench-quick   a part of it in a few minutes'
	@echo 'make bench-kernel  instructions per I/O and latency on a slow disk: raw, dm-linear, dm-era, writelog'
	@echo 'make check-kernels the VM tests on kernels 6.1, 6.12 and the newest one in backports'
	@echo 'make check-kernel-debug the VM tests on a kernel with KASAN, lockdep, kmemleak'
	@echo 'make check-threads the unit tests with the thread sanitizer'
	@echo 'make check-object-store restore from OpenStack Swift while one of its nodes dies'
	@echo 'make tool          build/userspace/regild'
	@echo 'make module        kernel/dm-writelog.ko for the running kernel (KDIR=... for another)'
	@echo 'make install       the tool and its manual pages (DESTDIR=...)'
	@echo 'make install-boot  initramfs-tools hook and script, udev rules (DESTDIR=...)'
	@echo 'parts of check:    lint unit sanitize integration vm fuzz mutants-sample boots'

# The mutants' copy takes from this cache what is compiled here.
CCACHE := env;CCACHE_DIR=$(CURDIR)/build/ccache;CCACHE_BASEDIR=$(CURDIR);CCACHE_NOHASHDIR=1;ccache
CONFIGURE := cmake -S . -B build/userspace -DCMAKE_CXX_COMPILER_LAUNCHER='$(CCACHE)'

# Each target installs what it needs and no more: tests/setup/packages-*.
tool:
	@tests/setup/install build
	$(CONFIGURE)
	cmake --build build/userspace -j $(JOBS) --target regild

module:
	$(MAKE) -C kernel

demo: tool
	@tests/setup/install vm demo
	tests/demo/run

check: lint unit sanitize fuzz integration vm mutants-sample boots
	@echo 'make check: all passed'

lint:
	@tests/setup/install build unit lint
	tests/setup/lint

unit:
	@tests/setup/install build unit
	$(CONFIGURE)
	cmake --build build/userspace -j $(JOBS) --target unit-tests
	ctest --test-dir build/userspace --output-on-failure -j $(JOBS)

# The unit tests once more, built by clang, with the address and undefined-behaviour sanitizers.
sanitize:
	@tests/setup/install build unit sanitize
	cmake -S . -B build/sanitize -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug \
		-DCMAKE_CXX_FLAGS='-O1 -fsanitize=address,undefined -fno-sanitize-recover=all' -DREGILD_FUZZERS=ON
	cmake --build build/sanitize -j $(JOBS)
	ctest --test-dir build/sanitize --output-on-failure -j $(JOBS)

# Outside `check`: the unit tests built once more, and several times slower. The sanitizer wants places in memory of
# its own: addresses must not be random.
check-threads:
	@tests/setup/install build unit sanitize
	cmake -S . -B build/thread -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug \
		-DCMAKE_CXX_FLAGS='-O1 -fsanitize=thread'
	cmake --build build/thread -j $(JOBS) --target unit-tests
	setarch -R ctest --test-dir build/thread --output-on-failure -j $(JOBS)

# FUZZ_RUNS=... for a long run.
FUZZ_RUNS ?= 20000
fuzz: sanitize
	tests/fuzz/run build/sanitize $(FUZZ_RUNS)

integration: tool
	@tests/setup/install integration servers
	@tests/setup/install-s3rver
	tests/integration/run

# Outside `check`: OpenStack Swift has ten servers of its own, and 70 packages.
check-object-store: tool
	@tests/setup/install integration object-store
	tests/integration/run --outside a-kiosk-is-restored-from-swift-while-a-node-dies

vm: tool
	@tests/setup/install vm
	tests/vm/run

# Every mutant takes long: check takes a sample.
mutants:
	@tests/setup/install build unit integration servers vm mutants
	tests/mutants/run

mutants-sample:
	@tests/setup/install build unit integration servers vm mutants
	tests/mutants/run --sample

# Outside `check`: two chroots (0.6 GB each, as root), kept in build/cache/kernels.
check-kernels: tool
	@tests/setup/install vm kernels
	tests/vm/kernels bookworm bookworm-backports trixie-backports

# Outside `check` as well: ten minutes to build the kernel, once, and a suite that is several times slower.
check-kernel-debug: tool
	@tests/setup/install vm kernel-debug
	tests/vm/kernels debug

# What can go wrong at a real boot: foreign disk, server down, power cut, regild=off.
demo-failures: tool
	@tests/setup/install vm demo
	tests/demo/failures

# As root: the next versions are made in mounted copies of the image.
demo-update: tool
	@tests/setup/install vm demo demo-update
	tests/demo/update

# The cases of one boot each.
boots: tool
	@tests/setup/install vm demo
	tests/demo/failures --quick

# As root: the desktop image is made on a loop device, once, and kept in build/cache/desktop.
bench bench-quick: tool
	@tests/setup/install bench $(if $(filter bench,$@),vm kernels)
	tests/bench/tool/run $(if $(filter bench-quick,$@),--quick)

bench-kernel:
	@tests/setup/install build vm
	tests/bench/kernel/run

install:
	cmake --install build/userspace --prefix /usr --component tool

install-boot:
	cmake --install build/userspace --prefix /usr --component boot

clean:
	rm -rf build
