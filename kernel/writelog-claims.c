// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose log is whose: no two targets that could be live together share a part
 * of one (invariant 5). Ranges are compared by disk, so that partitions and
 * whole disks are seen to overlap; a range behind another device-mapper device
 * is not seen.
 */
#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "writelog.h"

static DEFINE_MUTEX(claims_lock);
static LIST_HEAD(claims);

struct writelog_range writelog_make_range(struct block_device *bdev,
					  sector_t start, sector_t len)
{
	sector_t first = get_start_sect(bdev) + start;

	return (struct writelog_range) {
		.disk = bdev->bd_disk,
		.first = first,
		.last = first + len - 1,
	};
}

bool writelog_ranges_overlap(const struct writelog_range *a,
			     const struct writelog_range *b)
{
	return a->disk == b->disk && a->first <= b->last && b->first <= a->last;
}

bool writelog_claim(struct writelog *wl)
{
	struct dm_table *table = wl->ti->table;
	struct writelog *other;
	bool claimed = true;

	mutex_lock(&claims_lock);
	list_for_each_entry(other, &claims, claim) {
		struct dm_table *t = other->ti->table;

		if (t != table && dm_table_get_md(t) == dm_table_get_md(table))
			continue;
		if (writelog_ranges_overlap(&wl->log_range, &other->log_range))
			claimed = false;
	}
	if (claimed)
		list_add(&wl->claim, &claims);
	mutex_unlock(&claims_lock);
	return claimed;
}

void writelog_release(struct writelog *wl)
{
	mutex_lock(&claims_lock);
	list_del_init(&wl->claim);
	mutex_unlock(&claims_lock);
}

/* Is it the same log, and does each table ask the same of it? */
static bool is_same_log(const struct writelog *a, const struct writelog *b)
{
	return a->log_range.disk == b->log_range.disk &&
	       a->log_range.first == b->log_range.first &&
	       a->log.data_sectors == b->log.data_sectors &&
	       a->log.block_sectors == b->log.block_sectors;
}

/* The resumes of one mapped device exclude each other: its uuids are stable. */
void writelog_inherit_uuid(struct writelog *wl)
{
	struct mapped_device *md = dm_table_get_md(wl->ti->table);
	struct writelog *other;

	mutex_lock(&claims_lock);
	list_for_each_entry(other, &claims, claim) {
		if (wl->log.uuid_known || other == wl ||
		    dm_table_get_md(other->ti->table) != md ||
		    !other->log.uuid_known ||
		    !writelog_ranges_overlap(&wl->data_range, &other->data_range))
			continue;
		memcpy(wl->log.uuid, other->log.uuid, sizeof(wl->log.uuid));
		wl->log.uuid_known = true;
		wl->log.checked = other->log.checked && is_same_log(wl, other);
	}
	mutex_unlock(&claims_lock);
}
