/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where supported kernels differ, 6.1 and later. Kernels back-port interfaces,
 * so each difference is told by what the headers offer, not by version.
 */
#ifndef WRITELOG_COMPAT_H
#define WRITELOG_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>

/* fmode_t became blk_mode_t in 6.5. */
#ifdef BLK_OPEN_WRITE
#define WRITELOG_MODE_WRITE	BLK_OPEN_WRITE
#else
#define WRITELOG_MODE_WRITE	FMODE_WRITE
#endif

static inline bool writelog_table_is_writable(struct dm_table *table)
{
	return !!(dm_table_get_mode(table) & WRITELOG_MODE_WRITE);
}

#endif /* WRITELOG_COMPAT_H */
