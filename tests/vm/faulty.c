// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One fault for each instrument of a debug kernel, so that their silence
 * elsewhere means something: tests/vm/instruments. Load it with fault=NAME;
 * the load always fails, so that the next fault can follow.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *fault = "";
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "locks, sleep, shift, object, memory or leak");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spinning);

static void locks(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep(void)
{
	spin_lock(&spinning);
	might_sleep();
	spin_unlock(&spinning);
}

static void shift(void)
{
	volatile unsigned int by = 40;

	pr_info("faulty: %u\n", 1U << by);
}

static void nothing(struct work_struct *work)
{
}

/* A work that is freed while it waits for its time. */
static void object(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 3600 * HZ);
	kfree(work);
}

static void memory(void)
{
	volatile char *bytes = kmalloc(64, GFP_KERNEL);

	if (!bytes)
		return;
	kfree((void *)bytes);
	pr_info("faulty: %d\n", bytes[5]);
}

static void leak(void)
{
	int i;

	/* More than one: an address of the last may be left in a register. */
	for (i = 0; i < 10; i++)
		pr_info("faulty: %d\n", !kmalloc(1000, GFP_KERNEL));
}

static int __init faulty_init(void)
{
	static const struct {
		const char *name;
		void (*make)(void);
	} faults[] = {
		{ "locks", locks },   { "sleep", sleep },   { "shift", shift },
		{ "object", object }, { "memory", memory }, { "leak", leak },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (strcmp(fault, faults[i].name))
			continue;
		faults[i].make();
		return -ECANCELED;
	}
	return -EINVAL;
}
module_init(faulty_init);

MODULE_DESCRIPTION("One fault for each instrument of a debug kernel");
MODULE_LICENSE("GPL");
