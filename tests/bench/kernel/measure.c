// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * measure makes direct I/O, asynchronous if DEPTH is more than 1, and
 * prints what one request costs in ticks of the time stamp counter. Under QEMU's -icount shift=0 a tick is an
 * instruction of the guest: program, kernel and kernel threads together.
 *
 *   measure DEVICE read|write SIZE DEPTH COUNT BASE GRAIN SPAN START
 *
 * Request i goes to byte BASE + GRAIN * place(START + i), where place permutes
 * 0 to SPAN - 1 (a power of two), so that SPAN requests in a row never meet. A
 * SPAN of 0 is sequential. DEPTH requests are submitted at once, and all have
 * completed before the next ones are. An eighth of COUNT goes ahead unmeasured.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "number.h"

#define MAX_DEPTH 64u

struct job {
	int device;
	uint16_t opcode;
	char *buffer;
	uint64_t size, depth, base, grain, span, next;
};

static uint64_t next_offset(struct job *job)
{
	uint64_t i = job->next++;

	/* An odd factor permutes the numbers below a power of two. */
	if (job->span)
		i = i * 0x9e3779b1u & (job->span - 1);
	return job->base + job->grain * i;
}

/* Depth 1 is what most programs do. */
static void run_one_by_one(struct job *job, uint64_t count)
{
	while (count--) {
		off_t offset = (off_t)next_offset(job);
		ssize_t done = job->opcode == IOCB_CMD_PREAD ?
			pread(job->device, job->buffer, job->size, offset) :
			pwrite(job->device, job->buffer, job->size, offset);

		if (done != (ssize_t)job->size)
			err(1, "a request returned %zd", done);
	}
}

static void run_batches(aio_context_t context, struct job *job, uint64_t count)
{
	struct iocb requests[MAX_DEPTH] = { 0 }, *list[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	long depth = (long)job->depth;

	for (uint64_t done = 0; done < count; done += job->depth) {
		for (long i = 0; i < depth; i++) {
			requests[i].aio_lio_opcode = job->opcode;
			requests[i].aio_fildes = (uint32_t)job->device;
			requests[i].aio_buf = (uintptr_t)job->buffer;
			requests[i].aio_nbytes = job->size;
			requests[i].aio_offset = (int64_t)next_offset(job);
			list[i] = &requests[i];
		}
		if (syscall(SYS_io_submit, context, depth, list) != depth)
			err(1, "io_submit");
		if (syscall(SYS_io_getevents, context, depth, depth, events,
			    NULL) != depth)
			err(1, "io_getevents");
		for (long i = 0; i < depth; i++)
			if (events[i].res != (int64_t)job->size)
				errx(1, "a request returned %lld",
				     (long long)events[i].res);
	}
}

static void run(aio_context_t context, struct job *job, uint64_t count)
{
	if (job->depth == 1)
		run_one_by_one(job, count);
	else
		run_batches(context, job, count);
}

int main(int argc, char **argv)
{
	aio_context_t context = 0;
	unsigned long long count, begin;
	struct job job;

	if (argc != 10)
		errx(2, "measure DEVICE read|write SIZE DEPTH COUNT BASE GRAIN SPAN START");
	job = (struct job){
		.device = open(argv[1], O_RDWR | O_DIRECT),
		.opcode = strcmp(argv[2], "read") ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.size = number(argv[3]),
		.depth = number(argv[4]),
		.base = number(argv[6]),
		.grain = number(argv[7]),
		.span = number(argv[8]),
		.next = number(argv[9]),
	};
	count = number(argv[5]);
	if (job.device < 0)
		err(1, "%s", argv[1]);
	if (syscall(SYS_io_setup, MAX_DEPTH, &context))
		err(1, "io_setup");
	if (!job.depth || job.depth > MAX_DEPTH || count % (8 * job.depth))
		errx(2, "COUNT must be a multiple of 8 * DEPTH, DEPTH at most %u", MAX_DEPTH);
	job.buffer = aligned_alloc(1 << 21, (job.size + (1 << 21) - 1) >> 21 << 21);
	if (!job.buffer)
		err(1, "no memory");
	memset(job.buffer, 0x5a, job.size);

	run(context, &job, count / 8);
	begin = __rdtsc();
	run(context, &job, count);
	printf("%llu\n", (__rdtsc() - begin) / count);
	return 0;
}
