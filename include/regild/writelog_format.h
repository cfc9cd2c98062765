/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The write log as it lies on disk: the one contract between the writelog
 * device-mapper target (C, kernel) and the regild tool (C++, userspace).
 * FORMAT.md beside this file explains every field and works an example in
 * bytes; what only the tool writes is in regild_format.h.
 *
 * All integers are little-endian. A sector is 512 bytes. Every checksum is
 * CRC-32C (Castagnoli: reflected, initial value and final xor 0xffffffff).
 */
#ifndef REGILD_WRITELOG_FORMAT_H
#define REGILD_WRITELOG_FORMAT_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#endif

#define WRITELOG_SECTOR_SIZE		512u
/* Blocks are a power of two of sectors in this range: 4 KiB to 512 KiB. */
#define WRITELOG_MIN_BLOCK_SECTORS	8u
#define WRITELOG_MAX_BLOCK_SECTORS	1024u
#define WRITELOG_MAX_BLOCKS		0x80000000ull

/*
 * Layout, in bytes from the start of the log. The start of the log on its
 * device is a multiple of WRITELOG_UNIT_SIZE.
 *
 *	0			superblock, first copy
 *	8192			image record, slot 0
 *	65536			bitmap: log sectors, padded to whole units
 *	65536 + bitmap_length	image record, slot 1
 *	length - 4096		superblock, second copy
 *
 * length = 65536 + bitmap_length + 16384 + 4096
 */
#define WRITELOG_UNIT_SIZE		4096u	/* the kernel writes whole units */
#define WRITELOG_SUPER_OFFSET		0u
#define WRITELOG_RECORD_OFFSET		8192u
#define WRITELOG_RECORD_SIZE		16384u	/* a slot, see regild_format.h */
#define WRITELOG_BITMAP_OFFSET		65536u
#define WRITELOG_TAIL_SIZE		(WRITELOG_RECORD_SIZE + WRITELOG_UNIT_SIZE)

#define WRITELOG_MAGIC			"WRITELOG"	/* 8 bytes, no NUL */
#define WRITELOG_VERSION		1u
/* Bits of incompat_features that this version knows: none. */
#define WRITELOG_INCOMPAT_KNOWN		0u

/* One sector; a superblock copy is valid when magic and crc are right. */
struct writelog_superblock {
	__u8	magic[8];		/*   0: WRITELOG_MAGIC */
	__le32	version;		/*   8: WRITELOG_VERSION */
	__le32	incompat_features;	/*  12: refuse unknown bits */
	__u8	uuid[16];		/*  16: seeds all other checksums */
	__le32	block_sectors;		/*  32: sectors per block */
	__u8	zero0[4];		/*  36 */
	__le64	nr_blocks;		/*  40: ceil(data_sectors / block_sectors) */
	__le64	data_sectors;		/*  48: length of the mapping */
	__le64	bitmap_offset;		/*  56: bytes, WRITELOG_BITMAP_OFFSET */
	__le64	bitmap_length;		/*  64: bytes, a multiple of a unit */
	__u8	zero1[436];		/*  72 */
	__le32	crc;			/* 508: over bytes 0 to 507 */
};

/* Blocks that one log sector tells of. */
#define WRITELOG_BITS_PER_SECTOR	4032u
#define WRITELOG_SECTORS_PER_UNIT	(WRITELOG_UNIT_SIZE / WRITELOG_SECTOR_SIZE)

/*
 * Log sector number i tells of blocks 4032 * i to 4032 * i + 4031: block
 * 4032 * i + n is bit n % 8 of bits[n / 8]; 1 is marked. Bits past the last
 * block are zero, also in the sectors that pad the bitmap to a whole unit.
 */
struct writelog_sector {
	__le32	crc;			/*   0: over the uuid, then bytes 4 to 511 */
	__le32	index;			/*   4: i */
	__u8	bits[504];		/*   8 */
};

#define WRITELOG_ASSERT(x)	static_assert(x, #x)
#define WRITELOG_AT(type, field, offset) \
	WRITELOG_ASSERT(__builtin_offsetof(struct type, field) == (offset))

WRITELOG_ASSERT(sizeof(struct writelog_superblock) == WRITELOG_SECTOR_SIZE);
WRITELOG_AT(writelog_superblock, uuid, 16);
WRITELOG_AT(writelog_superblock, nr_blocks, 40);
WRITELOG_AT(writelog_superblock, bitmap_length, 64);
WRITELOG_AT(writelog_superblock, crc, 508);
WRITELOG_ASSERT(sizeof(struct writelog_sector) == WRITELOG_SECTOR_SIZE);
WRITELOG_AT(writelog_sector, bits, 8);

#undef WRITELOG_AT
#undef WRITELOG_ASSERT

#endif /* REGILD_WRITELOG_FORMAT_H */
