// SPDX-License-Identifier: GPL-2.0-only
/*
 * The writelog device-mapper target: maps one to one, as linear does, and
 * marks each block in a log on stable storage before the first operation that
 * changes it is issued. See writelog.rst.
 *
 * This file makes the target from its table line, starts and stops it, and
 * answers userspace.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/kstrtox.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "writelog.h"

#define DM_MSG_PREFIX	"writelog"

/* The type of a table's mode changed with 6.5. */
#ifndef BLK_OPEN_WRITE
#define BLK_OPEN_WRITE	FMODE_WRITE
#endif

static int parse_sector(const char *arg, sector_t *sector)
{
	u64 value;

	if (kstrtou64(arg, 10, &value) || value != (sector_t)value)
		return -EINVAL;
	*sector = value;
	return 0;
}

static int parse_features(struct writelog *wl, struct dm_arg_set *as)
{
	static const struct dm_arg args[] = {
		{ 0, 1, "Invalid number of feature arguments" },
	};
	struct dm_target *ti = wl->ti;
	unsigned int nr;
	int r;

	if (!as->argc)
		return 0;
	r = dm_read_arg_group(args, as, &nr, &ti->error);
	if (r)
		return r;
	while (nr--) {
		if (strcasecmp(dm_shift_arg(as), "allow_discards")) {
			ti->error = "Unrecognised feature argument";
			return -EINVAL;
		}
		wl->allow_discards = true;
	}
	if (as->argc) {
		ti->error = "Too many arguments";
		return -EINVAL;
	}
	return 0;
}

static int check_data(struct writelog *wl)
{
	struct block_device *bdev = wl->data->bdev;
	struct dm_target *ti = wl->ti;
	sector_t size = bdev_nr_sectors(bdev);

	if (bdev_is_zoned(bdev)) {
		ti->error = "Zoned data device is not supported";
		return -EINVAL;
	}
	if (wl->data_start > size || ti->len > size - wl->data_start) {
		ti->error = "Data device is too small";
		return -EINVAL;
	}
	wl->data_range = writelog_make_range(bdev, wl->data_start, ti->len);
	return 0;
}

static int check_log(struct writelog *wl, sector_t length)
{
	struct block_device *bdev = wl->log_dev->bdev;
	struct dm_target *ti = wl->ti;
	sector_t size = bdev_nr_sectors(bdev);

	if (bdev_is_zoned(bdev)) {
		ti->error = "Zoned log device is not supported";
		return -EINVAL;
	}
	if (bdev_logical_block_size(bdev) > WRITELOG_UNIT_SIZE) {
		ti->error = "Logical blocks of log device are larger than 4096 bytes";
		return -EINVAL;
	}
	if (wl->log.start > size || length > size - wl->log.start) {
		ti->error = "Log device is too small";
		return -EINVAL;
	}
	wl->log_range = writelog_make_range(bdev, wl->log.start, length);
	return 0;
}

/* Frees what there is of a target: its construction may have ended anywhere. */
static void free_writelog(struct writelog *wl)
{
	if (wl->wq)
		destroy_workqueue(wl->wq);
	if (wl->submit_wq)
		destroy_workqueue(wl->submit_wq);
	writelog_release(wl);
	writelog_free_log(&wl->log);
	if (wl->log_dev)
		dm_put_device(wl->ti, wl->log_dev);
	if (wl->data)
		dm_put_device(wl->ti, wl->data);
	kfree(wl);
}

static int parse_table(struct writelog *wl, struct dm_arg_set *as,
		       const char **data_path, const char **log_path,
		       unsigned int *block_sectors)
{
	struct dm_target *ti = wl->ti;

	if (as->argc < 5) {
		ti->error = "Not enough arguments";
		return -EINVAL;
	}
	*data_path = dm_shift_arg(as);
	if (parse_sector(dm_shift_arg(as), &wl->data_start)) {
		ti->error = "Invalid start of data";
		return -EINVAL;
	}
	*log_path = dm_shift_arg(as);
	if (parse_sector(dm_shift_arg(as), &wl->log.start)) {
		ti->error = "Invalid start of log";
		return -EINVAL;
	}
	if (wl->log.start % WRITELOG_UNIT_SECTORS) {
		ti->error = "Start of log is not a multiple of 8 sectors";
		return -EINVAL;
	}
	if (kstrtouint(dm_shift_arg(as), 10, block_sectors) ||
	    *block_sectors < WRITELOG_MIN_BLOCK_SECTORS ||
	    *block_sectors > WRITELOG_MAX_BLOCK_SECTORS ||
	    !is_power_of_2(*block_sectors)) {
		ti->error = "Block size is not a power of two from 8 to 1024 sectors";
		return -EINVAL;
	}
	wl->block_shift = ilog2(*block_sectors);
	if (writelog_nr_blocks(ti->len, *block_sectors) > WRITELOG_MAX_BLOCKS) {
		ti->error = "Too many blocks";
		return -EINVAL;
	}
	return parse_features(wl, as);
}

static int open_devices(struct writelog *wl, const char *data_path,
			const char *log_path)
{
	struct dm_target *ti = wl->ti;
	int r;

	r = dm_get_device(ti, data_path, dm_table_get_mode(ti->table),
			  &wl->data);
	if (r) {
		ti->error = "Cannot open data device";
		return r;
	}
	r = dm_get_device(ti, log_path, dm_table_get_mode(ti->table),
			  &wl->log_dev);
	if (r) {
		ti->error = "Cannot open log device";
		return r;
	}
	return 0;
}

static int construct(struct writelog *wl, struct dm_arg_set *as)
{
	struct dm_target *ti = wl->ti;
	const char *data_path, *log_path;
	unsigned int block_sectors;
	sector_t nr_blocks;
	int r;

	r = parse_table(wl, as, &data_path, &log_path, &block_sectors);
	if (r)
		return r;
	nr_blocks = writelog_nr_blocks(ti->len, block_sectors);

	r = open_devices(wl, data_path, log_path);
	if (r)
		return r;
	r = check_data(wl);
	if (r)
		return r;
	r = check_log(wl, writelog_log_length(nr_blocks));
	if (r)
		return r;
	if (writelog_ranges_overlap(&wl->data_range, &wl->log_range)) {
		ti->error = "Log and data overlap";
		return -EINVAL;
	}

	wl->log.bdev = wl->log_dev->bdev;
	wl->log.name = dm_table_device_name(ti->table);
	r = writelog_alloc_log(&wl->log, ti->len, block_sectors);
	if (r) {
		ti->error = "Cannot allocate the log";
		return r;
	}
	wl->wq = alloc_workqueue("writelog/%s", WQ_UNBOUND | WQ_MEM_RECLAIM,
				 ARRAY_SIZE(wl->workers), wl->log.name);
	wl->submit_wq = alloc_workqueue("writelog-io/%s",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					wl->log.name);
	if (!wl->wq || !wl->submit_wq) {
		ti->error = "Cannot allocate workqueue";
		return -ENOMEM;
	}
	if (!writelog_claim(wl)) {
		ti->error = "Log overlaps that of another writelog target";
		return -EBUSY;
	}
	return 0;
}

/*
 * writelog <data dev> <data start> <log dev> <log start> <block sectors>
 *	    [<#feature args> <feature>...]
 *
 * The table that this one replaces may be live, so the log is not read yet.
 */
static int writelog_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct writelog *wl;
	unsigned int i;
	int r;

	wl = kzalloc(sizeof(*wl), GFP_KERNEL);
	if (!wl) {
		ti->error = "Cannot allocate context";
		return -ENOMEM;
	}
	wl->ti = ti;
	wl->writable = dm_table_get_mode(ti->table) & BLK_OPEN_WRITE;
	spin_lock_init(&wl->lock);
	bio_list_init(&wl->quick);
	bio_list_init(&wl->committed);
	INIT_LIST_HEAD(&wl->batches);
	INIT_LIST_HEAD(&wl->claim);
	for (i = 0; i < ARRAY_SIZE(wl->workers); i++) {
		wl->workers[i].wl = wl;
		INIT_WORK(&wl->workers[i].work, writelog_work);
	}

	r = construct(wl, &as);
	if (r) {
		free_writelog(wl);
		return r;
	}

	ti->num_flush_bios = 1;
	ti->num_discard_bios = wl->allow_discards;
	ti->num_secure_erase_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->accounts_remapped_io = true;
	ti->private = wl;
	return 0;
}

static void writelog_dtr(struct dm_target *ti)
{
	free_writelog(ti->private);
}

/*
 * What userspace has written to the log through the page cache would be missed
 * now, and replace marks that have been made since when it is written back
 * later. And an interrupted commit, of an earlier table or before a reset, may
 * have left marks in the cache of the log device: they would be read as if they
 * were stable, so they are made that first (invariant 1).
 */
static bool make_log_stable(struct writelog *wl)
{
	struct block_device *bdev = wl->log_dev->bdev;
	int r;

	r = sync_blockdev(bdev);
	invalidate_bdev(bdev);
	/* Without writes there is nothing to rely on marks for. */
	if (!wl->writable)
		return true;
	if (!r)
		r = blkdev_issue_flush(bdev);
	if (r)
		DMERR("%s: cannot flush log device %s: error %d: relying on no mark",
		      wl->log.name, wl->log_dev->name, r);
	return !r;
}

/*
 * No bio is under way here, so no worker touches the log any more, and the
 * table that was live before is suspended.
 */
static int writelog_preresume(struct dm_target *ti)
{
	struct writelog *wl = ti->private;
	bool had_failed = wl->log.nr_failed;
	int r;

	writelog_inherit_uuid(wl);
	r = writelog_load(&wl->log, make_log_stable(wl));
	if (had_failed != !!wl->log.nr_failed)
		dm_table_event(ti->table);
	return r;
}

/*
 * INFO: <dirty>/<total blocks> <commits> <units written> <deferred bios>
 *	 <log errors> <rw|ro|fail>
 */
static void writelog_status(struct dm_target *ti, status_type_t type,
			    unsigned int status_flags, char *result,
			    unsigned int maxlen)
{
	struct writelog *wl = ti->private;
	struct writelog_log *log = &wl->log;
	const char *mode = "rw";
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		if (!wl->writable)
			mode = "ro";
		else if (READ_ONCE(log->nr_failed))
			mode = "fail";
		DMEMIT("%lu/%lu %llu %llu %llu %llu %s",
		       READ_ONCE(log->nr_dirty), log->nr_blocks,
		       (unsigned long long)atomic64_read(&log->nr_commits),
		       (unsigned long long)atomic64_read(&log->nr_units_written),
		       (unsigned long long)atomic64_read(&wl->nr_deferred),
		       (unsigned long long)atomic64_read(&log->nr_errors),
		       mode);
		break;

	case STATUSTYPE_TABLE:
		DMEMIT("%s %llu %s %llu %u", wl->data->name,
		       (unsigned long long)wl->data_start, wl->log_dev->name,
		       (unsigned long long)log->start, log->block_sectors);
		if (wl->allow_discards)
			DMEMIT(" 1 allow_discards");
		break;

	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",data_device_name=%s,data_start=%llu",
		       wl->data->name, (unsigned long long)wl->data_start);
		DMEMIT(",log_device_name=%s,log_start=%llu",
		       wl->log_dev->name, (unsigned long long)log->start);
		DMEMIT(",block_sectors=%u,allow_discards=%c;",
		       log->block_sectors, wl->allow_discards ? 'y' : 'n');
		break;
	}
}

/*
 * The log is not named: limits and features of the device are those of the
 * data.
 */
static int writelog_iterate_devices(struct dm_target *ti,
				    iterate_devices_callout_fn fn, void *data)
{
	struct writelog *wl = ti->private;

	return fn(ti, wl->data, wl->data_start, ti->len, data);
}

/*
 * What would change data behind the log's back is left out: prepare_ioctl
 * (SG_IO), direct access, zones.
 */
static struct target_type writelog_target = {
	.name = "writelog",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_PASSES_INTEGRITY | DM_TARGET_NOWAIT |
		    DM_TARGET_PASSES_CRYPTO,
	.module = THIS_MODULE,
	.ctr = writelog_ctr,
	.dtr = writelog_dtr,
	.map = writelog_map,
	.preresume = writelog_preresume,
	.status = writelog_status,
	.iterate_devices = writelog_iterate_devices,
};

static int __init writelog_init(void)
{
	return dm_register_target(&writelog_target);
}

static void __exit writelog_exit(void)
{
	dm_unregister_target(&writelog_target);
	/* A task may have put the module in unplug(), and been preempted. */
	synchronize_rcu_tasks();
}

module_init(writelog_init);
module_exit(writelog_exit);

MODULE_DESCRIPTION("device-mapper target that logs which blocks were written");
MODULE_AUTHOR("The regild authors");
MODULE_LICENSE("GPL");
/* libcrc32c binds the implementation that is there when it is loaded. */
MODULE_SOFTDEP("pre: crc32c-intel");
