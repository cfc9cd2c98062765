// SPDX-License-Identifier: GPL-2.0-only
/*
 * Committing the write log: marked units go to stable storage, then their bits
 * are published as durable. One commit of one unit costs one write with FUA;
 * of several units, writes in parallel and one flush: FUA on each would cost a
 * flush each where the device has no FUA.
 */
#include <linux/device-mapper.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "writelog-log.h"

#define DM_MSG_PREFIX	"writelog"

static void write_endio(struct bio *bio)
{
	struct writelog_log *log = bio->bi_private;

	if (atomic_dec_and_test(&log->in_flight))
		complete(&log->written);
}

static void submit_write(struct writelog_log *log, struct writelog_write *write,
			 unsigned int unit, blk_opf_t opf)
{
	unsigned int first = unit * WRITELOG_SECTORS_PER_UNIT, i;
	void *addr = &log->image[first];

	for (i = first; i < first + WRITELOG_SECTORS_PER_UNIT; i++)
		if (log->unwritten[i].end)
			writelog_seal(log, i);
	flush_kernel_vmap_range(addr, WRITELOG_UNIT_SIZE);

	write->unit = unit;
	bio_init(&write->bio, log->bdev, &write->bvec, 1, opf);
	write->bio.bi_iter.bi_sector =
		log->start + to_sector(WRITELOG_BITMAP_OFFSET) +
		(sector_t)unit * WRITELOG_UNIT_SECTORS;
	write->bio.bi_private = log;
	write->bio.bi_end_io = write_endio;
	__bio_add_page(&write->bio, vmalloc_to_page(addr),
		       WRITELOG_UNIT_SIZE, offset_in_page(addr));
	submit_bio(&write->bio);
}

/*
 * Writes touched units from @unit on, as many as there are preallocated
 * writes. Returns the next touched unit, or nr_units.
 */
static unsigned int write_units(struct writelog_log *log, unsigned int unit,
				blk_opf_t opf)
{
	struct blk_plug plug;
	unsigned int i, nr = 0;

	reinit_completion(&log->written);
	atomic_set(&log->in_flight, 1);
	blk_start_plug(&plug);
	while (unit < log->nr_units && nr < WRITELOG_NR_WRITES) {
		atomic_inc(&log->in_flight);
		submit_write(log, &log->writes[nr++], unit, opf);
		unit = find_next_bit(log->touched, log->nr_units, unit + 1);
	}
	blk_finish_plug(&plug);
	if (!atomic_dec_and_test(&log->in_flight))
		wait_for_completion_io(&log->written);

	for (i = 0; i < nr; i++) {
		struct writelog_write *write = &log->writes[i];

		log->units[write->unit].status = write->bio.bi_status;
		bio_uninit(&write->bio);
	}
	return unit;
}

static void publish_unit(struct writelog_log *log, unsigned int unit)
{
	unsigned int first = unit * WRITELOG_SECTORS_PER_UNIT, i;

	for (i = first; i < first + WRITELOG_SECTORS_PER_UNIT; i++)
		if (log->unwritten[i].end)
			writelog_publish(log, i);
}

/* A unit that fails stays unwritten: the next commit of it tries again. */
static bool finish_unit(struct writelog_log *log, unsigned int unit, int error)
{
	bool failed = error;

	if (failed) {
		atomic64_inc(&log->nr_errors);
		DMERR_LIMIT("%s: cannot write log unit %u on %pg: error %d: failing writes",
			    log->name, unit, log->bdev, error);
	} else {
		publish_unit(log, unit);
	}
	if (failed != log->units[unit].failed)
		WRITE_ONCE(log->nr_failed, log->nr_failed + (failed ? 1 : -1));
	log->units[unit].failed = failed;
	return !failed;
}

void writelog_commit(struct writelog_log *log)
{
	/* As direct writes do, SYNC with IDLE escapes writeback throttling. */
	blk_opf_t opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE | REQ_META;
	unsigned int unit, nr_written = 0;
	int flush_error = 0;

	if (!log->nr_touched)
		return;
	if (log->nr_touched == 1)
		opf |= REQ_FUA;

	unit = find_first_bit(log->touched, log->nr_units);
	while (unit < log->nr_units)
		unit = write_units(log, unit, opf);
	if (log->nr_touched > 1)
		flush_error = blkdev_issue_flush(log->bdev);

	for_each_set_bit(unit, log->touched, log->nr_units) {
		int error = blk_status_to_errno(log->units[unit].status);

		nr_written += finish_unit(log, unit, error ?: flush_error);
		__clear_bit(unit, log->touched);
	}
	log->nr_touched = 0;
	atomic64_add(nr_written, &log->nr_units_written);
	if (nr_written)
		atomic64_inc(&log->nr_commits);
}
