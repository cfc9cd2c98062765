// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gio makes exact I/O in a test VM: one request of one kind where it is asked
 * for, a mixed load that verifies what it wrote and tells which blocks it
 * touched, and a reader for marks. Offsets and lengths are bytes, with an
 * optional K or M. Exit: 0 done, 1 the I/O failed (errno printed), 2 wrong use
 * or a wrong byte found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <pthread.h>
#include <scsi/sg.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <regild/writelog_format.h>

#define PAGE 4096u
#define MAX_IO (1u << 20)

static void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(status);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*end == 'K')
		value <<= 10;
	else if (*end == 'M')
		value <<= 20;
	else if (*end)
		die(2, "not a number: %s", text);
	return value;
}

static void *buffer(size_t size)
{
	void *memory = aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);

	if (!memory)
		die(2, "out of memory");
	return memory;
}

static int open_device(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(1, "%s: %s", path, strerror(errno));
	return fd;
}

/* What a seed writes at an offset: no two places of the device look alike. */
static void fill(uint64_t *words, uint64_t offset, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length / 8; i++) {
		uint64_t x = offset / 8 + i + seed * 0x9e3779b97f4a7c15;

		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
		x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
		words[i] = x ^ (x >> 31);
	}
}

/* write DEVICE OFFSET LENGTH SEED [dsync|nowait|buffered]: one write */
static int do_write(int argc, char **argv)
{
	uint64_t offset = number(argv[1]), length = number(argv[2]);
	uint64_t *data = buffer(length);
	struct iovec iov = { .iov_base = data, .iov_len = length };
	int flags = O_WRONLY | O_DIRECT, rwf = 0, fd;
	ssize_t done;

	if (argc > 4 && !strcmp(argv[4], "dsync"))
		rwf = RWF_DSYNC;
	else if (argc > 4 && !strcmp(argv[4], "nowait"))
		rwf = RWF_NOWAIT;
	else if (argc > 4 && !strcmp(argv[4], "buffered"))
		flags = O_WRONLY;
	fd = open_device(argv[0], flags);
	fill(data, offset, length, number(argv[3]));
	done = pwritev2(fd, &iov, 1, offset, rwf);
	if (done != (ssize_t)length)
		die(1, "write: %s", done < 0 ? strerror(errno) : "short");
	if (flags == O_WRONLY && fsync(fd))
		die(1, "write: %s", strerror(errno));
	return 0;
}

/* verify DEVICE OFFSET LENGTH SEED: what write with that seed left */
static int do_verify(int argc, char **argv)
{
	uint64_t offset = number(argv[1]), length = number(argv[2]);
	uint64_t *data = buffer(length), *expected = buffer(length);
	int fd = open_device(argv[0], O_RDONLY | O_DIRECT);
	ssize_t done = pread(fd, data, length, offset);

	(void)argc;
	if (done != (ssize_t)length)
		die(1, "read: %s", done < 0 ? strerror(errno) : "short");
	fill(expected, offset, length, number(argv[3]));
	if (memcmp(data, expected, length))
		die(2, "wrong bytes");
	return 0;
}

/* discard|zeroout|secdiscard DEVICE OFFSET LENGTH */
static int do_range(unsigned long request, char **argv)
{
	uint64_t range[2] = { number(argv[1]), number(argv[2]) };

	if (ioctl(open_device(argv[0], O_WRONLY), request, range))
		die(1, "ioctl: %s", strerror(errno));
	return 0;
}

/* flush DEVICE */
static int do_flush(char **argv)
{
	if (fsync(open_device(argv[0], O_WRONLY)))
		die(1, "flush: %s", strerror(errno));
	return 0;
}

/* sgwrite DEVICE OFFSET SEED: a page, by a SCSI command that the device is told to pass on */
static int do_sgwrite(char **argv)
{
	uint64_t offset = number(argv[1]);
	uint32_t sector = offset / 512;
	uint64_t *data = buffer(PAGE);
	uint8_t sense[32];
	/* WRITE(10): where, and how many logical blocks, big-endian */
	uint8_t command[10] = { 0x2a, 0, sector >> 24, sector >> 16, sector >> 8, sector,
				0, 0, PAGE / 512 };
	struct sg_io_hdr header = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_TO_DEV,
		.cmd_len = sizeof(command),
		.cmdp = command,
		.mx_sb_len = sizeof(sense),
		.sbp = sense,
		.dxfer_len = PAGE,
		.dxferp = data,
		.timeout = 60000,
	};

	fill(data, offset, PAGE, number(argv[2]));
	if (ioctl(open_device(argv[0], O_RDWR), SG_IO, &header))
		die(1, "SG_IO: %s", strerror(errno));
	if (header.status || header.host_status || header.driver_status)
		die(1, "SG_IO: status %d", header.status);
	return 0;
}

/* scatter DEVICE OFFSET STRIDE COUNT: pages through the page cache, then fsync */
static int do_scatter(char **argv)
{
	uint64_t offset = number(argv[1]), stride = number(argv[2]), count = number(argv[3]);
	int fd = open_device(argv[0], O_WRONLY);
	uint64_t *data = buffer(PAGE);

	for (uint64_t i = 0; i < count; i++) {
		fill(data, offset + i * stride, PAGE, 1);
		if (pwrite(fd, data, PAGE, offset + i * stride) != PAGE)
			die(1, "write: %s", strerror(errno));
	}
	if (fsync(fd))
		die(1, "fsync: %s", strerror(errno));
	return 0;
}

/*
 * batch DEVICE OFFSET STRIDE COUNT AT_ONCE: asynchronous writes of a page each,
 * STRIDE bytes apart, AT_ONCE of them per call, all submitted before the first
 * is waited for
 */
static int do_batch(char **argv)
{
	uint64_t offset = number(argv[1]), stride = number(argv[2]);
	long count = number(argv[3]), at_once = number(argv[4]);
	struct iocb *requests = calloc(count, sizeof(*requests)), **list = calloc(count, sizeof(*list));
	struct io_event event;
	aio_context_t context = 0;
	int fd = open_device(argv[0], O_WRONLY | O_DIRECT);
	void *data = buffer(PAGE);

	fill(data, offset, PAGE, 1);
	if (syscall(SYS_io_setup, count, &context))
		die(1, "io_setup: %s", strerror(errno));
	for (long i = 0; i < count; i++) {
		requests[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		requests[i].aio_fildes = fd;
		requests[i].aio_buf = (uintptr_t)data;
		requests[i].aio_nbytes = PAGE;
		requests[i].aio_offset = offset + i * stride;
		list[i] = &requests[i];
	}
	for (long i = 0; i < count; i += at_once)
		if (syscall(SYS_io_submit, context, at_once, list + i) != at_once)
			die(1, "io_submit: %s", strerror(errno));
	for (long i = 0; i < count; i++)
		if (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1 ||
		    event.res != PAGE)
			die(1, "a write returned %lld", (long long)event.res);
	return 0;
}

/* Prints set bits as ranges: "0-3 17", or "none". */
struct ranges {
	uint64_t first, next;
	bool open, any;
};

static void range_end(struct ranges *r)
{
	if (!r->open)
		return;
	printf("%s%llu", r->any ? " " : "", (unsigned long long)r->first);
	if (r->next - r->first > 1)
		printf("-%llu", (unsigned long long)r->next - 1);
	r->any = true;
	r->open = false;
}

static void range_add(struct ranges *r, uint64_t n)
{
	if (r->open && r->next != n)
		range_end(r);
	if (!r->open)
		r->first = n;
	r->next = n + 1;
	r->open = true;
}

static void range_finish(struct ranges *r)
{
	range_end(r);
	puts(r->any ? "" : "none");
}

static uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	crc = ~crc;
	while (length--) {
		crc ^= *bytes++;
		for (int i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* marks LOG START: the marked blocks; "bad N" for each untrusted log sector */
static int do_marks(char **argv)
{
	uint64_t start = number(argv[1]), nr_sectors;
	int fd = open_device(argv[0], O_RDONLY | O_DIRECT);
	struct writelog_superblock *super = buffer(PAGE);
	struct writelog_sector *sectors;
	struct ranges ranges = { 0 };
	ssize_t length;

	if (pread(fd, super, PAGE, start) != PAGE || memcmp(super->magic, WRITELOG_MAGIC, 8) ||
	    super->crc != crc32c(0, super, 508))
		die(2, "no superblock");
	nr_sectors = (super->nr_blocks + WRITELOG_BITS_PER_SECTOR - 1) / WRITELOG_BITS_PER_SECTOR;
	length = super->bitmap_length;
	sectors = buffer(length);
	if (pread(fd, sectors, length, start + super->bitmap_offset) != length)
		die(1, "read: %s", strerror(errno));
	for (uint64_t i = 0; i < nr_sectors; i++) {
		uint32_t crc = crc32c(crc32c(0, super->uuid, 16), &sectors[i].index, 508);

		if (sectors[i].crc != crc || sectors[i].index != i) {
			printf("bad %llu ", (unsigned long long)i);
			continue;
		}
		for (uint64_t n = 0; n < WRITELOG_BITS_PER_SECTOR; n++)
			if (sectors[i].bits[n / 8] & (1 << n % 8))
				range_add(&ranges, i * WRITELOG_BITS_PER_SECTOR + n);
	}
	range_finish(&ranges);
	return 0;
}

/*
 * A load of several threads. Each owns a part of the range, in pages, so that
 * blocks at the borders have two writers and yet every page has one truth.
 */
enum { UNTOUCHED = 0, ZEROED = -1, UNKNOWN = -2 };

struct load {
	const char *path, *mix;
	uint64_t offset;	/* bytes: start of the range */
	int64_t *pages;		/* seed of its content, or one of the above */
	uint64_t ops, seed;
};

struct worker {
	pthread_t thread;
	const struct load *load;
	uint64_t first, count;	/* its pages */
	uint64_t random;
};

static uint64_t next_random(struct worker *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = signal;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct load *load = w->load;
	uint64_t *data = buffer(MAX_IO);
	int fd = open_device(load->path, O_RDWR | O_DIRECT);

	for (uint64_t op = 0; op < load->ops && !stopped; op++) {
		char kind = load->mix[next_random(w, strlen(load->mix))];
		/* Mostly small, sometimes up to 1 MiB. */
		uint64_t most = next_random(w, 32) ? 8 : MAX_IO / PAGE;
		uint64_t page = w->first + next_random(w, w->count);
		uint64_t count = 1 + next_random(w, most);
		uint64_t range[2];
		int64_t left = UNKNOWN;
		int failed = 0;

		if (count > w->first + w->count - page)
			count = w->first + w->count - page;
		range[0] = load->offset + page * PAGE;
		range[1] = count * PAGE;
		switch (kind) {
		case 'w':
		case 's': {
			struct iovec iov = { .iov_base = data, .iov_len = range[1] };

			left = load->seed + op + 1;
			fill(data, range[0], range[1], left);
			failed = pwritev2(fd, &iov, 1, range[0], kind == 's' ? RWF_DSYNC : 0) !=
				 (ssize_t)range[1];
			break;
		}
		case 'z':
			left = ZEROED;
			failed = ioctl(fd, BLKZEROOUT, range);
			break;
		case 'd':
			failed = ioctl(fd, BLKDISCARD, range);
			break;
		case 'f':
			count = 0;
			failed = fsync(fd);
			break;
		}
		if (failed)
			die(1, "load: %c at page %llu: %s", kind, (unsigned long long)page,
			    strerror(errno));
		while (count--)
			load->pages[page++] = left;
	}
	close(fd);
	free(data);
	return NULL;
}

static void verify_load(const struct load *load, uint64_t nr_pages)
{
	uint64_t *data = buffer(PAGE), *expected = buffer(PAGE);
	int fd = open_device(load->path, O_RDONLY | O_DIRECT);

	for (uint64_t page = 0; page < nr_pages; page++) {
		if (load->pages[page] == UNTOUCHED || load->pages[page] == UNKNOWN)
			continue;
		if (pread(fd, data, PAGE, load->offset + page * PAGE) != PAGE)
			die(1, "read: %s", strerror(errno));
		memset(expected, 0, PAGE);
		if (load->pages[page] != ZEROED)
			fill(expected, load->offset + page * PAGE, PAGE, load->pages[page]);
		if (memcmp(data, expected, PAGE))
			die(2, "wrong bytes in page %llu", (unsigned long long)page);
	}
}

/*
 * load DEVICE OFFSET LENGTH BLOCK THREADS OPS SEED MIX: OPS operations per
 * thread or until SIGTERM, drawn from MIX (w write, s O_DSYNC write, z zeroes,
 * d discard, f flush), verified at the end; prints the touched blocks of the
 * range.
 */
static int do_load(char **argv)
{
	uint64_t nr_pages = number(argv[2]) / PAGE, block_pages = number(argv[3]) / PAGE;
	uint64_t threads = number(argv[4]);
	struct load load = {
		.path = argv[0],
		.mix = argv[7],
		.offset = number(argv[1]),
		.pages = calloc(nr_pages, sizeof(*load.pages)),
		.ops = number(argv[5]),
		.seed = number(argv[6]),
	};
	struct worker *workers = calloc(threads, sizeof(*workers));
	struct ranges ranges = { 0 };

	signal(SIGTERM, stop);
	for (uint64_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){
			.load = &load,
			.first = nr_pages / threads * i,
			.count = nr_pages / threads,
			.random = (load.seed + 1) * 0x9e3779b97f4a7c15 + i,
		};
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (uint64_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	verify_load(&load, nr_pages);
	for (uint64_t page = 0; page < nr_pages; page++)
		if (load.pages[page] != UNTOUCHED &&
		    (!ranges.open || ranges.next != page / block_pages + 1))
			range_add(&ranges, page / block_pages);
	range_finish(&ranges);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
	} commands[] = {
		{ "write", 4 }, { "verify", 4 }, { "discard", 3 }, { "zeroout", 3 },
		{ "secdiscard", 3 }, { "flush", 1 }, { "marks", 2 }, { "load", 8 },
		{ "sgwrite", 3 }, { "batch", 5 }, { "scatter", 4 },
	};
	size_t i = 0, nr = sizeof(commands) / sizeof(commands[0]);

	while (i < nr && (argc < 2 || strcmp(argv[1], commands[i].name)))
		i++;
	if (i == nr || argc - 2 < commands[i].args)
		die(2, "usage: gio write|verify|discard|zeroout|secdiscard|flush|marks|load|sgwrite|batch|scatter DEVICE …");
	argc -= 2;
	argv += 2;
	switch (i) {
	case 0: return do_write(argc, argv);
	case 1: return do_verify(argc, argv);
	case 2: return do_range(BLKDISCARD, argv);
	case 3: return do_range(BLKZEROOUT, argv);
	case 4: return do_range(BLKSECDISCARD, argv);
	case 5: return do_flush(argv);
	case 6: return do_marks(argv);
	case 7: return do_load(argv);
	case 8: return do_sgwrite(argv);
	case 9: return do_batch(argv);
	default: return do_scatter(argv);
	}
}
