// SPDX-License-Identifier: GPL-2.0-only
/*
 * The write log in memory: allocating it, reading it from the log device, and
 * marking blocks in it. Committing is in writelog-commit.c.
 */
#include <linux/crc32c.h>
#include <linux/device-mapper.h>
#include <linux/highmem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "writelog-log.h"

#define DM_MSG_PREFIX	"writelog"

#define UNITS_PER_READ	BIO_MAX_VECS

/* A log sector begins at a word boundary of the durable bitmap. */
#define WORDS_PER_SECTOR	(WRITELOG_BITS_PER_SECTOR / BITS_PER_LONG)
static_assert(WRITELOG_BITS_PER_SECTOR % BITS_PER_LONG == 0);

static unsigned long get_word(const struct writelog_sector *ls,
			      unsigned int word)
{
#if BITS_PER_LONG == 64
	return le64_to_cpup((const __le64 *)ls->bits + word);
#else
	return le32_to_cpup((const __le32 *)ls->bits + word);
#endif
}

static void put_word(struct writelog_sector *ls, unsigned int word,
		     unsigned long value)
{
#if BITS_PER_LONG == 64
	((__le64 *)ls->bits)[word] = cpu_to_le64(value);
#else
	((__le32 *)ls->bits)[word] = cpu_to_le32(value);
#endif
}

/* Sets bits @first to @last of a log sector; returns how many were not set. */
static unsigned int set_bits(struct writelog_sector *ls, unsigned int first,
			     unsigned int last)
{
	unsigned int word, nr_new = 0;

	for (word = BIT_WORD(first); word <= BIT_WORD(last); word++) {
		unsigned long mask = writelog_word_mask(word, first, last);
		unsigned long old = get_word(ls, word);

		nr_new += hweight_long(mask & ~old);
		put_word(ls, word, old | mask);
	}
	return nr_new;
}

/* Blocks that log sector @sector tells of: 0 in the padding. */
static unsigned int nr_bits(const struct writelog_log *log, unsigned int sector)
{
	if (sector >= log->nr_sectors)
		return 0;
	return min_t(unsigned long, WRITELOG_BITS_PER_SECTOR,
		     log->nr_blocks -
		     (unsigned long)sector * WRITELOG_BITS_PER_SECTOR);
}

static unsigned int bitmap_sectors(sector_t nr_blocks)
{
	return dm_sector_div_up(nr_blocks, WRITELOG_BITS_PER_SECTOR);
}

static unsigned int bitmap_units(sector_t nr_blocks)
{
	return DIV_ROUND_UP(bitmap_sectors(nr_blocks),
			    WRITELOG_SECTORS_PER_UNIT);
}

sector_t writelog_log_length(sector_t nr_blocks)
{
	return to_sector(WRITELOG_BITMAP_OFFSET + WRITELOG_TAIL_SIZE) +
		(sector_t)bitmap_units(nr_blocks) * WRITELOG_UNIT_SECTORS;
}

int writelog_alloc_log(struct writelog_log *log, sector_t data_sectors,
		       unsigned int block_sectors)
{
	log->data_sectors = data_sectors;
	log->block_sectors = block_sectors;
	log->nr_blocks = writelog_nr_blocks(data_sectors, block_sectors);
	log->nr_sectors = bitmap_sectors(log->nr_blocks);
	log->nr_units = bitmap_units(log->nr_blocks);
	/* Until the log has been read, any block may be marked. */
	log->nr_dirty = log->nr_blocks;
	init_completion(&log->written);

	log->supers = kcalloc(2, sizeof(*log->supers), GFP_KERNEL);
	log->durable = vcalloc(log->nr_units * WRITELOG_SECTORS_PER_UNIT,
			       WORDS_PER_SECTOR * sizeof(long));
	log->image = vcalloc(log->nr_units, WRITELOG_UNIT_SIZE);
	log->unwritten = vcalloc(log->nr_units * WRITELOG_SECTORS_PER_UNIT,
				 sizeof(*log->unwritten));
	log->units = vcalloc(log->nr_units, sizeof(*log->units));
	log->touched = bitmap_zalloc(log->nr_units, GFP_KERNEL);
	log->writes = kcalloc(WRITELOG_NR_WRITES, sizeof(*log->writes),
			      GFP_KERNEL);
	if (!log->supers || !log->durable || !log->image || !log->unwritten ||
	    !log->units || !log->touched || !log->writes)
		return -ENOMEM;
	return 0;
}

void writelog_free_log(struct writelog_log *log)
{
	kfree(log->writes);
	bitmap_free(log->touched);
	vfree(log->units);
	vfree(log->unwritten);
	vfree(log->image);
	vfree(log->durable);
	kfree(log->supers);
}

/* Reads @nr_units whole units at @offset bytes into the image at @addr. */
static int read_units(struct writelog_log *log, u64 offset, void *addr,
		      unsigned int nr_units)
{
	unsigned int size = nr_units * WRITELOG_UNIT_SIZE;
	struct bio *bio;
	unsigned int i;
	int r;

	bio = bio_alloc(log->bdev, nr_units, REQ_OP_READ | REQ_META, GFP_NOIO);
	bio->bi_iter.bi_sector = log->start + to_sector(offset);
	for (i = 0; i < nr_units; i++) {
		void *unit = addr + i * WRITELOG_UNIT_SIZE;

		__bio_add_page(bio, vmalloc_to_page(unit),
			       WRITELOG_UNIT_SIZE, offset_in_page(unit));
	}
	r = submit_bio_wait(bio);
	bio_put(bio);
	invalidate_kernel_vmap_range(addr, size);
	return r;
}

static bool superblock_is_valid(const struct writelog_superblock *sb)
{
	return !memcmp(sb->magic, WRITELOG_MAGIC, sizeof(sb->magic)) &&
	       le32_to_cpu(sb->crc) ==
	       ~crc32c(~0, sb, offsetof(struct writelog_superblock, crc));
}

/*
 * Reads the copy of the superblock at @offset. Returns 0, an error if it cannot
 * be read, or EINVAL if it is not valid.
 */
static int read_superblock(struct writelog_log *log, u64 offset,
			   struct writelog_superblock *sb)
{
	int r;

	/* The bitmap is not in memory yet. */
	r = read_units(log, offset, log->image, 1);
	if (r) {
		atomic64_inc(&log->nr_errors);
		DMERR("%s: cannot read the log's superblock on %pg at sector %llu: error %d",
		      log->name, log->bdev,
		      (unsigned long long)log->start + to_sector(offset), r);
		return -EIO;
	}
	memcpy(sb, log->image, sizeof(*sb));
	return superblock_is_valid(sb) ? 0 : -EINVAL;
}

static int check_superblock(struct writelog_log *log,
			    const struct writelog_superblock *sb)
{
	u64 bitmap_length = (u64)log->nr_units * WRITELOG_UNIT_SIZE;

	if (le32_to_cpu(sb->version) != WRITELOG_VERSION) {
		DMERR("%s: log has version %u, need %u", log->name,
		      le32_to_cpu(sb->version), WRITELOG_VERSION);
		return -EINVAL;
	}
	if (le32_to_cpu(sb->incompat_features) & ~WRITELOG_INCOMPAT_KNOWN) {
		DMERR("%s: log has unknown incompatible features 0x%x",
		      log->name, le32_to_cpu(sb->incompat_features));
		return -EINVAL;
	}
	if (le32_to_cpu(sb->block_sectors) != log->block_sectors) {
		DMERR("%s: log has blocks of %u sectors, the table says %u",
		      log->name, le32_to_cpu(sb->block_sectors),
		      log->block_sectors);
		return -EINVAL;
	}
	if (le64_to_cpu(sb->data_sectors) != log->data_sectors) {
		DMERR("%s: log is for %llu sectors of data, the table says %llu",
		      log->name, le64_to_cpu(sb->data_sectors),
		      (unsigned long long)log->data_sectors);
		return -EINVAL;
	}
	if (le64_to_cpu(sb->nr_blocks) != log->nr_blocks) {
		DMERR("%s: log has %llu blocks, need %lu", log->name,
		      le64_to_cpu(sb->nr_blocks), log->nr_blocks);
		return -EINVAL;
	}
	if (le64_to_cpu(sb->bitmap_offset) != WRITELOG_BITMAP_OFFSET ||
	    le64_to_cpu(sb->bitmap_length) != bitmap_length) {
		DMERR("%s: log has its bitmap at %llu+%llu, need %u+%llu",
		      log->name, le64_to_cpu(sb->bitmap_offset),
		      le64_to_cpu(sb->bitmap_length), WRITELOG_BITMAP_OFFSET,
		      bitmap_length);
		return -EINVAL;
	}
	if (log->uuid_known &&
	    memcmp(log->uuid, sb->uuid, sizeof(log->uuid))) {
		DMERR("%s: log was replaced: uuid is %pUb, was %pUb",
		      log->name, sb->uuid, log->uuid);
		return -EINVAL;
	}
	return 0;
}

/*
 * No copy of the superblock is valid, and one or both cannot be read. A log
 * that has been there before is used nevertheless: the device may be suspended
 * that holds the program which could resume it again. If it is another log by
 * now, its sectors contradict the uuid, and so are not trusted.
 */
static int go_on_without_superblock(const struct writelog_log *log)
{
	if (!log->checked)
		return -EIO;
	DMWARN("%s: relying on the log's superblock as it was read before",
	       log->name);
	return 0;
}

static int load_superblock(struct writelog_log *log)
{
	u64 tail = ((u64)writelog_log_length(log->nr_blocks) << SECTOR_SHIFT) -
		   WRITELOG_UNIT_SIZE;
	struct writelog_superblock *first = &log->supers[0];
	struct writelog_superblock *second = &log->supers[1];
	const struct writelog_superblock *sb;
	int first_error, second_error, r;

	first_error = read_superblock(log, WRITELOG_SUPER_OFFSET, first);
	second_error = read_superblock(log, tail, second);
	if (first_error && second_error) {
		if (first_error == -EIO || second_error == -EIO)
			return go_on_without_superblock(log);
		DMERR("%s: no valid superblock on log device %pg at sector %llu",
		      log->name, log->bdev, (unsigned long long)log->start);
		return -EINVAL;
	}
	if (first_error == -EINVAL || second_error == -EINVAL)
		DMWARN("%s: %s copy of the log's superblock is not valid",
		       log->name, first_error ? "first" : "second");
	else if (!first_error && !second_error &&
		 memcmp(first->uuid, second->uuid, sizeof(first->uuid)))
		DMWARN("%s: copies of the log's superblock differ: using uuid %pUb, not %pUb",
		       log->name, first->uuid, second->uuid);
	sb = first_error ? second : first;

	r = check_superblock(log, sb);
	if (r)
		return r;
	memcpy(log->uuid, sb->uuid, sizeof(log->uuid));
	log->uuid_known = true;
	log->checked = true;
	return 0;
}

static u32 sector_crc(const struct writelog_log *log,
		      const struct writelog_sector *ls)
{
	return ~crc32c(log->seed, &ls->index,
		       sizeof(*ls) - offsetof(struct writelog_sector, index));
}

void writelog_seal(struct writelog_log *log, unsigned int sector)
{
	struct writelog_sector *ls = &log->image[sector];

	ls->index = cpu_to_le32(sector);
	ls->crc = cpu_to_le32(sector_crc(log, ls));
}

/* Can the sector be trusted? Marks past its last block are damage, too. */
static bool sector_is_valid(const struct writelog_log *log, unsigned int sector)
{
	const struct writelog_sector *ls = &log->image[sector];
	unsigned int nr = nr_bits(log, sector), word;

	if (le32_to_cpu(ls->index) != sector ||
	    le32_to_cpu(ls->crc) != sector_crc(log, ls))
		return false;
	if (nr == WRITELOG_BITS_PER_SECTOR)
		return true;
	for (word = BIT_WORD(nr); word < WORDS_PER_SECTOR; word++)
		if (get_word(ls, word) &
		    writelog_word_mask(word, nr, WRITELOG_BITS_PER_SECTOR - 1))
			return false;
	return true;
}

static void add_unwritten(struct writelog_log *log, unsigned int sector,
			  unsigned int first_bit, unsigned int last_bit)
{
	struct writelog_unwritten *unwritten = &log->unwritten[sector];
	u8 first = BIT_WORD(first_bit);
	u8 end = BIT_WORD(last_bit) + 1;

	unwritten->first = unwritten->end ? min(unwritten->first, first) : first;
	unwritten->end = max(unwritten->end, end);
}

/* Takes over what was read of a log sector. Returns false if it is damaged. */
static bool load_sector(struct writelog_log *log, unsigned int sector,
			bool stable, unsigned long *nr_dirty)
{
	struct writelog_sector *ls = &log->image[sector];
	unsigned int nr = nr_bits(log, sector);

	add_unwritten(log, sector, 0, WRITELOG_BITS_PER_SECTOR - 1);
	if (sector_is_valid(log, sector)) {
		if (stable)
			writelog_publish(log, sector);
		*nr_dirty += memweight(ls->bits, sizeof(ls->bits));
		return true;
	}
	memset(ls->bits, 0, sizeof(ls->bits));
	if (nr)
		*nr_dirty += set_bits(ls, 0, nr - 1);
	return false;
}

static void *image_unit(struct writelog_log *log, unsigned int unit)
{
	return &log->image[unit * WRITELOG_SECTORS_PER_UNIT];
}

/* Reads the bitmap into the image, as far as it can be read. */
static void read_bitmap(struct writelog_log *log)
{
	unsigned int unit, i, nr;

	for (unit = 0; unit < log->nr_units; unit += nr) {
		u64 offset = WRITELOG_BITMAP_OFFSET +
			     (u64)unit * WRITELOG_UNIT_SIZE;

		nr = min_t(unsigned int, log->nr_units - unit, UNITS_PER_READ);
		if (!read_units(log, offset, image_unit(log, unit), nr))
			continue;
		for (i = unit; i < unit + nr; i++) {
			offset = WRITELOG_BITMAP_OFFSET +
				 (u64)i * WRITELOG_UNIT_SIZE;
			if (!read_units(log, offset, image_unit(log, i), 1))
				continue;
			/* What is no log sector for sure counts as damaged. */
			memset(image_unit(log, i), 0xff, WRITELOG_UNIT_SIZE);
			atomic64_inc(&log->nr_errors);
		}
	}
}

int writelog_load(struct writelog_log *log, bool stable)
{
	unsigned int nr_sectors = log->nr_units * WRITELOG_SECTORS_PER_UNIT;
	unsigned int sector, unit, nr_damaged = 0;
	unsigned long nr_dirty = 0;
	int r;

	r = load_superblock(log);
	if (r)
		return r;
	log->seed = crc32c(~0, log->uuid, sizeof(log->uuid));

	memset(log->durable, 0,
	       nr_sectors * WORDS_PER_SECTOR * sizeof(*log->durable));
	memset(log->unwritten, 0, nr_sectors * sizeof(*log->unwritten));
	memset(log->units, 0, log->nr_units * sizeof(*log->units));

	read_bitmap(log);
	for (sector = 0; sector < nr_sectors; sector++) {
		if (!load_sector(log, sector, stable, &nr_dirty))
			nr_damaged++;
		cond_resched();
	}
	if (!stable) {
		for (unit = 0; unit < log->nr_units; unit++)
			log->units[unit].failed = true;
		atomic64_add(log->nr_units, &log->nr_errors);
	}
	WRITE_ONCE(log->nr_dirty, nr_dirty);
	WRITE_ONCE(log->nr_failed, stable ? 0 : log->nr_units);
	if (nr_damaged)
		DMWARN("%s: %u of %u log sectors are damaged: their blocks count as marked",
		       log->name, nr_damaged, nr_sectors);
	return 0;
}

void writelog_publish(struct writelog_log *log, unsigned int sector)
{
	unsigned long *durable = log->durable +
				 (unsigned long)sector * WORDS_PER_SECTOR;
	struct writelog_unwritten *unwritten = &log->unwritten[sector];
	unsigned int word;

	for (word = unwritten->first; word < unwritten->end; word++)
		/*
		 * Whoever sees a bit sees the completed commit that made it
		 * durable. Pairs with the acquire in writelog_is_durable().
		 */
		smp_store_release(&durable[word],
				  get_word(&log->image[sector], word));
	unwritten->end = 0;
}

void writelog_mark(struct writelog_log *log, unsigned long first,
		   unsigned long last)
{
	unsigned int sector;

	for (sector = first / WRITELOG_BITS_PER_SECTOR;
	     sector <= last / WRITELOG_BITS_PER_SECTOR; sector++) {
		unsigned int unit = sector / WRITELOG_SECTORS_PER_UNIT;
		unsigned long base = (unsigned long)sector *
				     WRITELOG_BITS_PER_SECTOR;
		unsigned long from = max(first, base);
		unsigned long to = min(last,
				       base + WRITELOG_BITS_PER_SECTOR - 1);

		if (writelog_is_durable(log, from, to))
			continue;
		WRITE_ONCE(log->nr_dirty, log->nr_dirty +
			   set_bits(&log->image[sector], from - base,
				    to - base));
		add_unwritten(log, sector, from - base, to - base);
		if (!__test_and_set_bit(unit, log->touched))
			log->nr_touched++;
		cond_resched();
	}
}
