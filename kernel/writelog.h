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

struct writelog;

struct writelog_worker {
	struct work_struct	work;
	struct writelog		*wl;
};

/*
 * A write to a block that is not marked on stable storage is deferred until a
 * commit has marked it. Each step owns the bio:
 *
 *	map() -> batch of the plug -> quick -----------> committed -> a worker
 *			    \-> batches --------------> the task, or a work
 *
 * The bios of a task that plugs its submission stay with its plug until it
 * unplugs, so that they form one commit; what arrives during a commit forms the
 * next one. The mapped device cannot be suspended, nor this struct freed, while
 * a bio is on this way.
 *
 * Who submits a bio may sleep for long: in writeback throttling, in a cgroup's
 * budget, for a request. No one else may have to wait for that, so
 *
 * - a task waits for the commit and then submits its bios itself, as it would
 *   to the disk. It is throttled as there, and its backlog ends with it.
 * - a work of their own submits bios whose task cannot wait: it is about to
 *   sleep already, does asynchronous I/O, or carries the bios of others.
 * - a worker submits what is quick: direct I/O of the root cgroup, which sleeps
 *   for a free request at most. That spares it a task switch.
 *
 * There are two workers, one to commit while the other one submits. So no
 * commit waits for data.
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

	spinlock_t		lock;		/* of all up to submitter */
	struct bio_list		quick;		/* deferred */
	struct list_head	batches;	/* deferred */
	struct bio_list		committed;	/* quick, to be submitted */
	unsigned int		nr_backlog;	/* bios, deferred until submitted */
	bool			committing;
	struct writelog_worker	*submitter;
	atomic64_t		nr_deferred;

	struct workqueue_struct	*wq;		/* of the two workers */
	struct workqueue_struct	*submit_wq;
	struct writelog_worker	workers[2];

	struct list_head	claim;		/* in the list of all targets */
	struct writelog_range	data_range;
	struct writelog_range	log_range;
};

struct writelog_range writelog_make_range(struct block_device *bdev,
					  sector_t start, sector_t len);
bool writelog_ranges_overlap(const struct writelog_range *a,
			     const struct writelog_range *b);

/*
 * Claims the log of a target from the load of its table on, so that a table
 * that is loaded but not resumed holds it. Returns false if another target has
 * claimed a part of it. The tables of one mapped device replace each other, and
 * are never live together, so they may share a log.
 */
bool writelog_claim(struct writelog *wl);
void writelog_release(struct writelog *wl);

/*
 * Binds the log to the uuid that it had in the table which this one replaces,
 * and takes over that its superblock fits. Called in preresume.
 */
void writelog_inherit_uuid(struct writelog *wl);

/* The map method. */
int writelog_map(struct dm_target *ti, struct bio *bio);

/*
 * A worker: commits the marks of all that is deferred, unless the other one
 * does, and submits what is quick, unless the other one does.
 */
void writelog_work(struct work_struct *work);

#endif /* WRITELOG_H */
