// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gives a device-mapper device an operation that no target can know, a
 * driver's own, once with a page and once without. The block layer would not
 * let it come that far, so it is called past it. The errors are in a parameter.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/module.h>

static char *device;
module_param(device, charp, 0444);

static int errors[2];
module_param_array(errors, int, NULL, 0444);

static void submit_end_io(struct bio *bio)
{
	complete(bio->bi_private);
}

static int submit(struct block_device *bdev, struct page *page)
{
	struct bio *bio = bio_alloc(bdev, 1, REQ_OP_DRV_OUT | REQ_SYNC, GFP_KERNEL);
	DECLARE_COMPLETION_ONSTACK(done);
	int r;

	bio->bi_end_io = submit_end_io;
	bio->bi_private = &done;
	if (page)
		__bio_add_page(bio, page, PAGE_SIZE, 0);
	bdev->bd_disk->fops->submit_bio(bio);
	wait_for_completion(&done);
	r = blk_status_to_errno(bio->bi_status);
	bio_put(bio);
	return r;
}

static int __init odd_init(void)
{
	struct file *file = filp_open(device, O_RDWR, 0);

	if (IS_ERR(file))
		return PTR_ERR(file);
	errors[0] = submit(I_BDEV(file->f_mapping->host), ZERO_PAGE(0));
	errors[1] = submit(I_BDEV(file->f_mapping->host), NULL);
	filp_close(file, NULL);
	return 0;
}

static void __exit odd_exit(void)
{
}

module_init(odd_init);
module_exit(odd_exit);

MODULE_DESCRIPTION("For a test: operations that a target does not know");
MODULE_LICENSE("GPL");
