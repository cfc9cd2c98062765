// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a bio through the target: straight on if its blocks are marked on
 * stable storage, and else by the worker, which marks them first.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "writelog.h"

/*
 * The bios that a task has deferred since it plugged. There is at least one: it
 * keeps the target, and this code, in place until unplug() has been called.
 */
struct writelog_plug {
	struct blk_plug_cb	cb;
	struct bio_list		bios;
	unsigned int		nr_bios;
};

/* More than so many bios do not wait for the end of a plug. */
#define PLUG_MAX_BIOS	64

/* The blocks that @bio touches, which starts at sector @offset of the target. */
static void bio_blocks(const struct writelog *wl, const struct bio *bio,
		       sector_t offset, unsigned long *first,
		       unsigned long *last)
{
	*first = offset >> wl->block_shift;
	*last = (offset + bio_sectors(bio) - 1) >> wl->block_shift;
}

/*
 * Hands bios to the worker. It is queued under the lock: as soon as the worker
 * can take the bios, they may end, and @wl go away.
 */
static void queue_bios(struct writelog *wl, struct bio_list *bios)
{
	spin_lock(&wl->lock);
	bio_list_merge(&wl->deferred, bios);
	queue_work(wl->wq, &wl->worker);
	spin_unlock(&wl->lock);
}

static void unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct writelog_plug *plug = container_of(cb, struct writelog_plug, cb);

	queue_bios(cb->data, &plug->bios);
	kfree(plug);
}

static noinline void defer_bio(struct writelog *wl, struct bio *bio)
{
	struct writelog_plug *plug;
	struct blk_plug_cb *cb;

	/*
	 * The submitter has not been told to try again, nor can it poll for
	 * what the worker will submit.
	 */
	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);

	cb = blk_check_plugged(unplug, wl, sizeof(*plug));
	if (!cb) {
		struct bio_list bios;

		bio_list_init(&bios);
		bio_list_add(&bios, bio);
		queue_bios(wl, &bios);
		return;
	}

	/* A new one is zeroed, which is an empty list. */
	plug = container_of(cb, struct writelog_plug, cb);
	bio_list_add(&plug->bios, bio);
	if (++plug->nr_bios < PLUG_MAX_BIOS)
		return;
	/* Left with the task but empty, it could outlive the target. */
	list_del(&cb->list);
	unplug(cb, false);
}

int writelog_map(struct dm_target *ti, struct bio *bio)
{
	struct writelog *wl = ti->private;
	unsigned long first, last;
	sector_t offset;

	bio_set_dev(bio, wl->data->bdev);
	if (!bio_sectors(bio)) {
		/* A flush needs no mark; any other operation is of a zone. */
		return op_is_flush(bio->bi_opf) ? DM_MAPIO_REMAPPED :
						  DM_MAPIO_KILL;
	}
	offset = dm_target_offset(ti, bio->bi_iter.bi_sector);
	bio->bi_iter.bi_sector = wl->data_start + offset;

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return DM_MAPIO_REMAPPED;
	case REQ_OP_WRITE:
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		break;
	default:
		/* Nothing passes of which we do not know what it changes. */
		return DM_MAPIO_KILL;
	}

	/* The block layer of 6.1 only warns of writes to a read-only device. */
	if (!wl->writable)
		return DM_MAPIO_KILL;
	bio_blocks(wl, bio, offset, &first, &last);
	if (likely(writelog_log_is_durable(&wl->log, first, last)))
		return DM_MAPIO_REMAPPED;
	defer_bio(wl, bio);
	return DM_MAPIO_SUBMITTED;
}

static void mapped_bio_blocks(const struct writelog *wl, const struct bio *bio,
			      unsigned long *first, unsigned long *last)
{
	bio_blocks(wl, bio, bio->bi_iter.bi_sector - wl->data_start, first,
		   last);
}

static void mark_bios(struct writelog *wl, struct bio_list *deferred,
		      struct bio_list *waiting)
{
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(deferred))) {
		unsigned long first, last;

		atomic64_inc(&wl->nr_deferred);
		mapped_bio_blocks(wl, bio, &first, &last);
		/* An earlier commit may have marked all of its blocks. */
		if (writelog_log_is_durable(&wl->log, first, last)) {
			dm_submit_bio_remap(bio, NULL);
		} else {
			writelog_log_mark(&wl->log, first, last);
			bio_list_add(waiting, bio);
		}
	}
	blk_finish_plug(&plug);
}

static void mark_messages(struct writelog *wl, struct list_head *marks)
{
	struct writelog_mark *mark, *next;

	list_for_each_entry_safe(mark, next, marks, list) {
		writelog_log_mark(&wl->log, mark->first, mark->last);
		kfree(mark);
	}
}

/* What is not durable after a commit has failed (invariant 6). */
static void release_bios(struct writelog *wl, struct bio_list *waiting)
{
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(waiting))) {
		unsigned long first, last;

		mapped_bio_blocks(wl, bio, &first, &last);
		if (writelog_log_is_durable(&wl->log, first, last))
			dm_submit_bio_remap(bio, NULL);
		else
			bio_io_error(bio);
	}
	blk_finish_plug(&plug);
}

void writelog_commit_deferred(struct work_struct *work)
{
	struct writelog *wl = container_of(work, struct writelog, worker);
	bool had_failed = wl->log.nr_failed;
	struct bio_list deferred, waiting;
	LIST_HEAD(marks);

	spin_lock(&wl->lock);
	deferred = wl->deferred;
	bio_list_init(&wl->deferred);
	list_splice_init(&wl->marks, &marks);
	spin_unlock(&wl->lock);

	bio_list_init(&waiting);
	mark_bios(wl, &deferred, &waiting);
	mark_messages(wl, &marks);
	writelog_log_commit(&wl->log);
	if (had_failed != !!wl->log.nr_failed)
		dm_table_event(wl->ti->table);
	release_bios(wl, &waiting);
}
