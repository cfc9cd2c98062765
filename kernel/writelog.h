/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One writelog target, and what the files of the target need of each other:
 * writelog-target.c makes it and answers userspace, writelog-claims.c keeps
 * targets apart, writelog-map.c carries bios.
 */
#ifndef WRITELOG_H
#define WRITELOG_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "writelog-log.h"

/* A range of sectors of a disk, whichever partition names it. */
struct writelog_range {
	struct gendisk	*disk;
	sector_t	first;
	sector_t	last;
};

/*
 * A write to a block that is not marked on stable storage is deferred:
 *
 *	map() -> plug->bios -> deferred -> worker: mark, commit, submit
 *
 * Each step owns the bio. The bios of a task that plugs its submission stay
 * with its plug until it unplugs, so that they form one commit; what arrives
 * while the worker commits forms the next one. The mapped device cannot be
 * suspended, nor this struct freed, while a bio is on this way.
 */
struct writelog {
	struct dm_target	*ti;
	struct dm_dev		*data;
	struct dm_dev		*log_dev;
	sector_t		data_start;
	unsigned int		block_shift;
	bool			writable;
	bool			allow_discards;

	struct writelog_log	log;

	spinlock_t		lock;		/* of the next three */
	struct bio_list		deferred;
	struct list_head	marks;
	bool			live;		/* resumed */
	atomic64_t		nr_deferred;

	struct workqueue_struct	*wq;
	struct work_struct	worker;

	struct list_head	claim;		/* in the list of all targets */
	struct writelog_range	data_range;
	struct writelog_range	log_range;
};

/* A message that asks to mark blocks. */
struct writelog_mark {
	struct list_head	list;
	unsigned long		first;
	unsigned long		last;
};

struct writelog_range writelog_make_range(struct block_device *bdev,
					  sector_t start, sector_t len);
bool writelog_ranges_overlap(const struct writelog_range *a,
			     const struct writelog_range *b);

/*
 * Claims the data and log ranges of a target from the load of its table on, so
 * that a table that is loaded but not resumed holds them. Returns false if
 * another target has claimed a part of them. The tables of one mapped device
 * replace each other, and are never live together, so they may share ranges.
 */
bool writelog_claim(struct writelog *wl);
void writelog_release(struct writelog *wl);

/*
 * Binds the log to the uuid that it had in the table which this one replaces.
 * Called in preresume.
 */
void writelog_inherit_uuid(struct writelog *wl);

/* The map method. */
int writelog_map(struct dm_target *ti, struct bio *bio);

/* The worker: commits the marks of all that is deferred, then submits it. */
void writelog_commit_deferred(struct work_struct *work);

#endif /* WRITELOG_H */
