// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/eraser: 16 MiB of memory that can be erased securely, as no device of
 * QEMU or of Debian's kernel can.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define SECTORS (16ul << 20 >> SECTOR_SHIFT)

static unsigned long erased_sectors;
module_param(erased_sectors, ulong, 0444);

static struct gendisk *disk;
static u8 *memory;
static int major;

static void transfer(struct bio *bio, bool to_memory)
{
	u8 *at = memory + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bvec;

	bio_for_each_segment(bvec, bio, iter) {
		if (to_memory)
			memcpy_from_bvec(at, &bvec);
		else
			memcpy_to_bvec(&bvec, at);
		at += bvec.bv_len;
	}
}

static void eraser_submit_bio(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		transfer(bio, op_is_write(bio_op(bio)));
		break;
	case REQ_OP_SECURE_ERASE:
		memset(memory + (bio->bi_iter.bi_sector << SECTOR_SHIFT), 0,
		       bio->bi_iter.bi_size);
		erased_sectors += bio_sectors(bio);
		break;
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
	}
	bio_endio(bio);
}

static const struct block_device_operations eraser_ops = {
	.owner = THIS_MODULE,
	.submit_bio = eraser_submit_bio,
};

/* Since 6.9 a queue takes its limits when it is made. */
static struct gendisk *alloc_disk(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits limits = { .max_secure_erase_sectors = SECTORS };
	struct gendisk *made = blk_alloc_disk(&limits, NUMA_NO_NODE);

	return IS_ERR(made) ? NULL : made;
#else
	struct gendisk *made = blk_alloc_disk(NUMA_NO_NODE);

	if (made)
		blk_queue_max_secure_erase_sectors(made->queue, SECTORS);
	return made;
#endif
}

static int __init eraser_init(void)
{
	int r = -ENOMEM;

	memory = vzalloc(SECTORS << SECTOR_SHIFT);
	if (!memory)
		return r;
	major = register_blkdev(0, "eraser");
	if (major < 0) {
		r = major;
		goto bad_major;
	}
	disk = alloc_disk();
	if (!disk)
		goto bad_disk;
	disk->major = major;
	disk->minors = 1;
	disk->fops = &eraser_ops;
	strscpy(disk->disk_name, "eraser", sizeof(disk->disk_name));
	set_capacity(disk, SECTORS);
	r = add_disk(disk);
	if (!r)
		return 0;

	put_disk(disk);
bad_disk:
	unregister_blkdev(major, "eraser");
bad_major:
	vfree(memory);
	return r;
}
module_init(eraser_init);

MODULE_DESCRIPTION("Block device for a test: memory that can be erased securely");
MODULE_LICENSE("GPL");
