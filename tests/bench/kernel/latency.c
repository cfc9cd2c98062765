// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * latency measures how long a writer waits while another task writes back: a
 * child dirties PAGES pages of BACKGROUND, STRIDE bytes apart, and calls
 * fsync; until that ends, the parent makes one request after the other, and
 * prints the microseconds that each took.
 *
 *   latency direct|fsync BACKGROUND BASE STRIDE PAGES FOREGROUND FIRST [LOW HIGH]
 *
 * direct: O_DIRECT writes of 4 KiB to the device FOREGROUND, STRIDE bytes
 * apart from FIRST on. fsync: each request makes a file of 4 KiB in the
 * directory FOREGROUND and calls fsync. LOW and HIGH are cgroups that the
 * child and the parent enter.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "number.h"

#define PAGE 4096

static char *page;

static uint64_t microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void write_page(int fd, uint64_t offset)
{
	if (pwrite(fd, page, PAGE, (off_t)offset) != PAGE)
		err(1, "write");
}

static void enter_cgroup(const char *path)
{
	char *procs;
	int fd;

	if (asprintf(&procs, "%s/cgroup.procs", path) < 0)
		err(1, "no memory");
	fd = open_or_die(procs, O_WRONLY);
	if (write(fd, "0", 1) != 1)
		err(1, "%s", procs);
	close(fd);
	free(procs);
}

/* Tells through @ready when all is dirty. */
static void write_back(char **argv, int ready)
{
	int fd = open_or_die(argv[0], O_WRONLY);
	uint64_t base = number(argv[1]), stride = number(argv[2]);
	uint64_t pages = number(argv[3]);

	for (uint64_t i = 0; i < pages; i++)
		write_page(fd, base + i * stride);
	if (write(ready, "", 1) != 1)
		err(1, "pipe");
	if (fsync(fd))
		err(1, "fsync");
}

static void fsync_file(const char *directory, uint64_t i)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/small%llu", directory, (unsigned long long)i) < 0)
		err(1, "no memory");
	fd = open_or_die(path, O_WRONLY | O_CREAT | O_EXCL);
	write_page(fd, 0);
	if (fsync(fd))
		err(1, "fsync");
	close(fd);
	free(path);
}

int main(int argc, char **argv)
{
	uint64_t first, stride;
	int ready[2], fd = -1, status = 0;
	char byte;
	pid_t child;

	if (argc != 8 && argc != 10)
		errx(2, "latency direct|fsync BACKGROUND BASE STRIDE PAGES FOREGROUND FIRST [LOW HIGH]");
	stride = number(argv[4]);
	first = number(argv[7]);
	page = aligned_alloc(PAGE, PAGE);
	if (!page || pipe(ready))
		err(1, "no memory");
	memset(page, 0x5a, PAGE);
	if (!strcmp(argv[1], "direct"))
		fd = open_or_die(argv[6], O_WRONLY | O_DIRECT);

	child = fork();
	if (!child) {
		if (argc == 10)
			enter_cgroup(argv[8]);
		write_back(argv + 2, ready[1]);
		_exit(0);
	}
	if (argc == 10)
		enter_cgroup(argv[9]);
	close(ready[1]);
	if (child < 0 || read(ready[0], &byte, 1) != 1)
		errx(1, "the other task failed");
	for (uint64_t i = 0; !waitpid(child, &status, WNOHANG); i++) {
		uint64_t begin = microseconds();

		if (fd < 0)
			fsync_file(argv[6], i);
		else
			write_page(fd, first + i * stride);
		printf("%llu\n", (unsigned long long)(microseconds() - begin));
	}
	return status ? 1 : 0;
}
