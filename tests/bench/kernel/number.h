/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_KERNEL_NUMBER_H
#define BENCH_KERNEL_NUMBER_H

#include <err.h>
#include <stdint.h>
#include <stdlib.h>

/* An argument of the command line; ends the program if it is none. */
static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (!*text || *end)
		errx(2, "not a number: %s", text);
	return value;
}

#endif
