/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The write log in memory: which blocks are marked, on which of those marks
 * stable storage can be relied, and how the others get there. Knows blocks and
 * the log device; knows nothing of bios of the mapped device.
 */
#ifndef WRITELOG_LOG_H
#define WRITELOG_LOG_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/bitmap.h>
#include <linux/blk_types.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/log2.h>

#include <regild/writelog_format.h>

/* Units written in parallel: neighbours merge, and the queue stays short. */
#define WRITELOG_NR_WRITES	32

#define WRITELOG_UNIT_SECTORS	(WRITELOG_UNIT_SIZE >> SECTOR_SHIFT)

/* One write of a unit on its way to the log device. */
struct writelog_write {
	struct bio	bio;
	struct bio_vec	bvec;
	unsigned int	unit;
};

/*
 * Words @first to @end - 1 of a log sector hold all of its pending bits that
 * are not durable. There are none if @end is 0.
 */
struct writelog_unwritten {
	u8		first;
	u8		end;
};

struct writelog_unit {
	/* How the write of the current commit went. */
	blk_status_t	status;
	/* It could not be written, or not be made stable. */
	bool		failed;
};

/*
 * Two bitmaps tell of every block:
 *
 *	pending	durable
 *	0	0	clean: the first write must wait
 *	1	0	on its way to the log, or the log could not be trusted or
 *			written: a write must wait
 *	1	1	marked on stable storage: writes pass
 *
 * Bits are set, never cleared, while the device is mapped (invariant 5). The
 * pending bitmap is @image, the log's units as they are on disk; @durable is
 * contiguous, and changes only after the log device has the mark on stable
 * storage (invariant 1).
 *
 * Everything but @durable and the counters belongs to one caller at a time:
 * the worker of the target, or its preresume method while there is no I/O.
 */
struct writelog_log {
	struct block_device	*bdev;
	sector_t		start;		/* of the log on @bdev */
	const char		*name;		/* of the mapped device */

	sector_t		data_sectors;
	unsigned int		block_sectors;
	unsigned long		nr_blocks;
	unsigned int		nr_sectors;	/* log sectors with blocks */
	unsigned int		nr_units;

	/*
	 * A log that is formatted anew while its device is suspended, or
	 * between two tables of one device, would forget marks. So the first
	 * uuid that was seen binds.
	 */
	u8			uuid[16];
	bool			uuid_known;
	/* A superblock was read that fits this table. */
	bool			checked;
	u32			seed;		/* crc32c of the uuid */

	struct writelog_superblock *supers;	/* what was read of the copies */
	unsigned long		*durable;
	struct writelog_sector	*image;		/* vmalloc'ed, in whole units */
	struct writelog_unwritten *unwritten;	/* per sector of the image */
	struct writelog_unit	*units;
	unsigned long		*touched;	/* units of the next commit */
	unsigned int		nr_touched;

	struct writelog_write	*writes;
	atomic_t		in_flight;
	struct completion	written;

	/* Read by status at any time. */
	unsigned long		nr_dirty;
	unsigned int		nr_failed;	/* units */
	atomic64_t		nr_commits;
	atomic64_t		nr_units_written;
	atomic64_t		nr_errors;
};

/* @data_sectors is not 0, @block_sectors a power of two. */
static inline sector_t writelog_nr_blocks(sector_t data_sectors,
					  unsigned int block_sectors)
{
	return ((data_sectors - 1) >> ilog2(block_sectors)) + 1;
}

/* Length in sectors of the log of a device of @nr_blocks. */
sector_t writelog_log_length(sector_t nr_blocks);

/*
 * Allocates everything that marking and committing will ever need, for a
 * device of @data_sectors. No I/O. Returns 0 or -ENOMEM; after either,
 * writelog_free_log() frees what there is.
 */
int writelog_alloc_log(struct writelog_log *log, sector_t data_sectors,
		       unsigned int block_sectors);
void writelog_free_log(struct writelog_log *log);

/*
 * Reads the log afresh, forgetting all earlier state but the counters. Sectors
 * that are damaged or unreadable count as marked, and as not durable, so that
 * they are rewritten before a write to their blocks passes (invariant 3). If
 * the log as it reads is not @stable, no mark counts as durable, and all units
 * as failed.
 * Sleeps; allocates only what mempools back. Returns 0, or after a message a
 * negative errno: EIO if no superblock can be read and none has ever been,
 * EINVAL if the log is not one that this device can use.
 */
int writelog_load(struct writelog_log *log, bool stable);

/* Sets the pending bits of @first to @last; the next commit writes them. */
void writelog_mark(struct writelog_log *log, unsigned long first,
		   unsigned long last);

/*
 * Writes all units that were marked since the last commit, and publishes their
 * bits as durable once they are on stable storage. A unit that could not be
 * written stays not durable, which is how a waiter learns about it. Sleeps;
 * allocates nothing.
 */
void writelog_commit(struct writelog_log *log);

/* Writes index and checksum of log sector @sector into the image. */
void writelog_seal(struct writelog_log *log, unsigned int sector);

/* Publishes the unwritten pending bits of log sector @sector as durable. */
void writelog_publish(struct writelog_log *log, unsigned int sector);

/* The bits of word number @word that are within @first to @last. */
static inline unsigned long writelog_word_mask(unsigned long word,
					       unsigned long first,
					       unsigned long last)
{
	unsigned long mask = ~0UL;

	if (word == BIT_WORD(first))
		mask &= BITMAP_FIRST_WORD_MASK(first);
	if (word == BIT_WORD(last))
		mask &= BITMAP_LAST_WORD_MASK(last + 1);
	return mask;
}

/* Are the marks of @first to @last on stable storage? Any context. */
static inline bool writelog_is_durable(const struct writelog_log *log,
				       unsigned long first,
				       unsigned long last)
{
	unsigned long word;

	/*
	 * Pairs with the release in writelog_publish(): what the caller
	 * issues comes after the commit that the bits tell of.
	 */
	if (likely(first == last))
		return test_bit_acquire(first, log->durable);
	for (word = BIT_WORD(first); word <= BIT_WORD(last); word++)
		/* As above. */
		if (~smp_load_acquire(&log->durable[word]) &
		    writelog_word_mask(word, first, last))
			return false;
	return true;
}

#endif /* WRITELOG_LOG_H */
