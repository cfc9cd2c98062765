// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a bio through the target: straight on if its blocks are marked on
 * stable storage, and else by the worker, which marks them first.
 */
#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "writelog.h"

/*
 * The bios that a task has deferred since it plugged, or one that it waits for.
 * As long as there is one, it keeps the target in place.
 */
struct writelog_batch {
	struct blk_plug_cb	cb;		/* in the plug of the task */
	struct list_head	list;		/* in the list of the target */
	struct writelog		*wl;
	struct bio_list		quick;
	struct bio_list		slow;
	unsigned int		nr_quick;
	unsigned int		nr_slow;
	bool			nowait;
	bool			handed_over;
	union {
		struct completion	committed;
		struct work_struct	work;	/* if handed over */
	};
};

/* More than so many bios do not wait for the end of a plug. */
#define PLUG_MAX_BIOS	64

/*
 * While so many bios are with the workers, a task submits for itself. It does
 * not wait until there are fewer: that would be for the sake of others.
 */
#define MAX_BACKLOG	64

/* The blocks that @bio touches, which starts at sector @offset of the target. */
static void bio_blocks(const struct writelog *wl, const struct bio *bio,
		       sector_t offset, unsigned long *first,
		       unsigned long *last)
{
	*first = offset >> wl->block_shift;
	*last = (offset + bio_sectors(bio) - 1) >> wl->block_shift;
}

static void mapped_bio_blocks(const struct writelog *wl, const struct bio *bio,
			      unsigned long *first, unsigned long *last)
{
	bio_blocks(wl, bio, bio->bi_iter.bi_sector - wl->data_start, first,
		   last);
}

static bool bio_is_durable(const struct writelog *wl, const struct bio *bio)
{
	unsigned long first, last;

	mapped_bio_blocks(wl, bio, &first, &last);
	return writelog_is_durable(&wl->log, first, last);
}

/* After a commit: what is not durable has failed (invariant 6). */
static void submit_or_fail(struct writelog *wl, struct bio_list *bios)
{
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(bios))) {
		if (bio_is_durable(wl, bio))
			dm_submit_bio_remap(bio, NULL);
		else
			bio_io_error(bio);
	}
	blk_finish_plug(&plug);
}

static bool is_direct(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_WRITE &&
	       (bio->bi_opf & (REQ_SYNC | REQ_IDLE)) == (REQ_SYNC | REQ_IDLE);
}

/*
 * Neither writeback throttling nor the budget of a cgroup makes the submitter
 * of such a bio sleep.
 */
static bool is_quick(struct bio *bio)
{
	struct cgroup_subsys_state *css = bio_blkcg_css(bio);

	return is_direct(bio) && (!css || css == blkcg_root_css);
}

/* Wakes the worker that does not submit. Called under the lock. */
static void wake_worker(struct writelog *wl)
{
	struct writelog_worker *worker = &wl->workers[0];

	if (worker == wl->submitter)
		worker = &wl->workers[1];
	queue_work(wl->wq, &worker->work);
}

/*
 * For this and the next: the worker is woken under the lock, as soon as it can
 * take the bios, they may end, and @wl go away. Who commits sees to the next
 * commit.
 */
static void queue_quick(struct writelog *wl, struct bio *bio)
{
	spin_lock(&wl->lock);
	bio_list_add(&wl->quick, bio);
	wl->nr_backlog++;
	if (!wl->committing)
		wake_worker(wl);
	spin_unlock(&wl->lock);
}

static void queue_batch(struct writelog *wl, struct writelog_batch *batch)
{
	spin_lock(&wl->lock);
	bio_list_merge(&wl->quick, &batch->quick);
	wl->nr_backlog += batch->nr_quick;
	if (batch->nr_slow) {
		list_add_tail(&batch->list, &wl->batches);
		if (batch->handed_over)
			wl->nr_backlog += batch->nr_slow;
	}
	if (!wl->committing)
		wake_worker(wl);
	spin_unlock(&wl->lock);
}

static void submit_handed_over(struct work_struct *work)
{
	struct writelog_batch *batch =
		container_of(work, struct writelog_batch, work);
	struct writelog *wl = batch->wl;

	submit_or_fail(wl, &batch->slow);
	spin_lock(&wl->lock);
	wl->nr_backlog -= batch->nr_slow;
	spin_unlock(&wl->lock);
	kfree(batch);
}

/* The slow bios of the batch are submitted, and it is freed, by a work. */
static void hand_over(struct writelog *wl, struct writelog_batch *batch)
{
	batch->wl = wl;
	batch->handed_over = true;
	INIT_WORK(&batch->work, submit_handed_over);
	queue_batch(wl, batch);
}

/* Returns after the commit; the slow bios of the batch are the caller's. */
static void wait_for_commit(struct writelog *wl, struct writelog_batch *batch)
{
	init_completion(&batch->committed);
	queue_batch(wl, batch);
	wait_for_completion_io(&batch->committed);
}

static void release_batch(struct writelog *wl, struct writelog_batch *batch,
			  bool may_sleep)
{
	if (batch->nr_slow && (!may_sleep || batch->nowait)) {
		hand_over(wl, batch);
		return;
	}
	if (batch->nr_slow) {
		wait_for_commit(wl, batch);
		submit_or_fail(wl, &batch->slow);
	} else {
		queue_batch(wl, batch);
	}
	kfree(batch);
}

/*
 * Once the bios of the batch are released, they may end, and the target with
 * them, while this task is still here. So it holds the module by itself, and
 * for its last steps writelog_exit() waits.
 */
static void unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct writelog_batch *batch =
		container_of(cb, struct writelog_batch, cb);

	__module_get(THIS_MODULE);
	release_batch(cb->data, batch, !from_schedule);
	module_put(THIS_MODULE);
}

static void batch_add(struct writelog_batch *batch, struct bio *bio, bool quick)
{
	if (quick) {
		bio_list_add(&batch->quick, bio);
		batch->nr_quick++;
	} else {
		bio_list_add(&batch->slow, bio);
		batch->nr_slow++;
	}
}

/* The task submits the bio itself, after a commit. */
static int commit_and_map(struct writelog *wl, struct bio *bio)
{
	struct writelog_batch batch = {};

	if (bio->bi_opf & REQ_NOWAIT) {
		bio_wouldblock_error(bio);
		return DM_MAPIO_SUBMITTED;
	}
	batch_add(&batch, bio, false);
	wait_for_commit(wl, &batch);
	return bio_is_durable(wl, bio) ? DM_MAPIO_REMAPPED : DM_MAPIO_KILL;
}

/* May the submitter have more to submit before this one ends? */
static bool is_asynchronous(const struct bio *bio)
{
	/* A worker of the kernel carries the bios of others. */
	return is_direct(bio) || bio->bi_opf & REQ_NOWAIT ||
	       current->flags & PF_WQ_WORKER;
}

static noinline int defer_bio(struct writelog *wl, struct bio *bio)
{
	bool nowait = bio->bi_opf & REQ_NOWAIT;
	bool quick = is_quick(bio);
	struct writelog_batch *batch = NULL;
	struct blk_plug_cb *cb;

	if (READ_ONCE(wl->nr_backlog) >= MAX_BACKLOG)
		return commit_and_map(wl, bio);

	/* A new one is zeroed, so its lists are empty. */
	cb = blk_check_plugged(unplug, wl, sizeof(*batch));
	if (cb)
		batch = container_of(cb, struct writelog_batch, cb);
	else if (!quick && is_asynchronous(bio))
		batch = kzalloc(sizeof(*batch), GFP_NOWAIT | __GFP_NOWARN);
	if (!batch && !quick)
		return commit_and_map(wl, bio);

	/*
	 * The submitter has not been told to try again. Nor may it poll: that
	 * is for what has been submitted when map() returns.
	 */
	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);

	if (!batch) {
		queue_quick(wl, bio);
		return DM_MAPIO_SUBMITTED;
	}
	batch_add(batch, bio, quick);
	if (!cb) {
		hand_over(wl, batch);
		return DM_MAPIO_SUBMITTED;
	}
	batch->nowait |= nowait;
	if (batch->nr_quick + batch->nr_slow >= PLUG_MAX_BIOS) {
		/* Left with the task but empty, it could outlive the target. */
		list_del(&cb->list);
		release_batch(wl, batch, true);
	}
	return DM_MAPIO_SUBMITTED;
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
	if (likely(writelog_is_durable(&wl->log, first, last)))
		return DM_MAPIO_REMAPPED;
	return defer_bio(wl, bio);
}

static void mark_bios(struct writelog *wl, const struct bio_list *bios)
{
	struct bio *bio;

	bio_list_for_each(bio, bios) {
		unsigned long first, last;

		atomic64_inc(&wl->nr_deferred);
		mapped_bio_blocks(wl, bio, &first, &last);
		writelog_mark(&wl->log, first, last);
	}
}

/* The batches are gone as soon as they are released. */
static void release_batches(struct writelog *wl, struct list_head *batches)
{
	struct writelog_batch *batch, *next;

	list_for_each_entry_safe(batch, next, batches, list) {
		if (batch->handed_over)
			queue_work(wl->submit_wq, &batch->work);
		else
			complete(&batch->committed);
	}
}

static bool has_deferred(const struct writelog *wl)
{
	return !bio_list_empty(&wl->quick) || !list_empty(&wl->batches);
}

/* Commits all that is deferred. Called, and returns, under the lock. */
static void commit_deferred(struct writelog *wl)
	__must_hold(&wl->lock)
{
	bool had_failed = wl->log.nr_failed;
	struct writelog_batch *batch;
	LIST_HEAD(batches);
	struct bio_list quick;

	wl->committing = true;
	quick = wl->quick;
	bio_list_init(&wl->quick);
	list_splice_init(&wl->batches, &batches);
	spin_unlock(&wl->lock);

	mark_bios(wl, &quick);
	list_for_each_entry(batch, &batches, list)
		mark_bios(wl, &batch->slow);
	writelog_commit(&wl->log);
	if (had_failed != !!wl->log.nr_failed)
		dm_table_event(wl->ti->table);
	release_batches(wl, &batches);

	spin_lock(&wl->lock);
	wl->committing = false;
	bio_list_merge(&wl->committed, &quick);
}

/* Submits the quick bios that are committed. Under the lock, as above. */
static void submit_committed(struct writelog *wl)
	__must_hold(&wl->lock)
{
	while (!bio_list_empty(&wl->committed)) {
		struct bio_list bios = wl->committed;
		unsigned int nr = bio_list_size(&bios);

		bio_list_init(&wl->committed);
		spin_unlock(&wl->lock);
		submit_or_fail(wl, &bios);
		spin_lock(&wl->lock);
		wl->nr_backlog -= nr;
	}
}

void writelog_work(struct work_struct *work)
{
	struct writelog_worker *worker =
		container_of(work, struct writelog_worker, work);
	struct writelog *wl = worker->wl;
	bool submit;

	spin_lock(&wl->lock);
	if (!wl->committing && has_deferred(wl))
		commit_deferred(wl);
	submit = !wl->submitter && !bio_list_empty(&wl->committed);
	if (submit)
		wl->submitter = worker;
	if (!wl->committing && has_deferred(wl))
		wake_worker(wl);
	if (submit) {
		submit_committed(wl);
		wl->submitter = NULL;
	}
	spin_unlock(&wl->lock);
}
