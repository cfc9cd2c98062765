/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the regild tool alone writes and reads on disk: the image record, which
 * lies within the log that writelog_format.h lays out, and the types of
 * partitions. FORMAT.md beside this file explains every field.
 *
 * All integers are little-endian.
 */
#ifndef REGILD_REGILD_FORMAT_H
#define REGILD_REGILD_FORMAT_H

#include <regild/writelog_format.h>

#define WRITELOG_RECORD_MAGIC		"REGILDIR"	/* 8 bytes, no NUL */
#define WRITELOG_RECORD_TEXT_SIZE	15232u
#define WRITELOG_RECORD_CHANNELS	4u

/* What the tool is doing with the volume; only GOLDEN may be mapped. */
enum writelog_record_state {
	WRITELOG_STATE_PROVISIONING	= 1,
	WRITELOG_STATE_RESTORING	= 2,
	WRITELOG_STATE_GOLDEN		= 3,
};

/* The content of marked blocks is not known to differ: hash it first. */
#define WRITELOG_RECORD_UNKNOWN		0x1u
/* No block has been written since this version took the place of another. */
#define WRITELOG_RECORD_UNTOUCHED	0x2u
/* Boots keep what sessions wrote, as far as thawed_until and thawed_boots say. */
#define WRITELOG_RECORD_THAWED		0x4u

/*
 * The image record, written and read by the tool alone. Of the two slots the
 * valid one with the higher sequence number counts; a new record goes to the
 * other slot. Strings are UTF-8, padded with NULs, always NUL-terminated.
 */
struct writelog_record {
	__u8	magic[8];		/*   0: WRITELOG_RECORD_MAGIC */
	__le32	crc;			/*   8: over the uuid, then bytes 12 to 16383 */
	__le32	version;		/*  12: WRITELOG_VERSION */
	__le64	sequence;		/*  16: from 1 */
	__le32	state;			/*  24: enum writelog_record_state */
	__le32	flags;			/*  28: WRITELOG_RECORD_*, refuse unknown */
	__le64	image_version;		/*  32: from 1 */
	__le64	version_floor;		/*  40: never install a version below */
	__u8	image[64];		/*  48: name of the image */
	__u8	partuuid[48];		/* 112: data disk: partition's UUID, or "" */
	__u8	wwid[128];		/* 160: data disk: WWID or serial, or "" */
	__le64	start_sector;		/* 288: data disk: start of the partition */
	__le64	size_sectors;		/* 296: data disk: size of the device */
	__le32	manifest_length;	/* 304: bytes at text[0] */
	__le32	signature_length;	/* 308: bytes that follow the manifest */
	__u8	document[160];		/* 312: URL the manifest was found by, or "" */
	__le32	unrestored_boots;	/* 472: in a row, by the owner's policy */
	__le32	trial_boots;		/* 476: left to a version on trial */
	__le64	thawed_until;		/* 480: seconds since 1970, or 0 */
	__le16	before_manifest_length;	/* 488: bytes that follow the signature */
	__le16	before_signature_length; /* 490: bytes that follow that manifest */
	__le16	staged_manifest_length;	/* 492: bytes that follow that signature */
	__le16	staged_signature_length; /* 494: bytes that follow that manifest */
	__le64	rejected_version;	/* 496: that was gone back from, or 0 */
	__le32	thawed_boots;		/* 504: boots that are left, or 0 */
	__le32	zero1;			/* 508 */
	__u8	text[WRITELOG_RECORD_TEXT_SIZE];	/* 512 */
	struct {
		__le16	length;		/* bytes of text that follow those before */
		__le16	signature_length; /* bytes that follow the channel */
	} channels[WRITELOG_RECORD_CHANNELS];	/* 15744: the last one first */
	__u8	zero2[624];		/* 15760 */
};

/* The cache, FORMAT.md part 3: all of it is hints. */
#define REGILD_CACHE_MAGIC	"REGILDCA"
#define REGILD_CACHE_VERSION	1

struct regild_cache_header {
	__u8	magic[8];		/* 0 */
	__le32	crc;			/* 8: of bytes 12 to 4095 */
	__le32	version;		/* 12 */
	__le64	device_size;		/* 16: bytes; all offsets follow from it */
	__le64	written;		/* 24: bytes that were ever put into the ring */
};

struct regild_cache_entry {
	__le64	fingerprint;		/* 0: the first bytes of the digest */
	__le64	place;			/* 8: length, offset / 16 << 24, lap << 60 */
};

struct regild_cache_bucket {
	struct regild_cache_entry entries[256];
};

/* A delta, FORMAT.md 2.3: the header, the manifest, then entries. */
#define REGILD_DELTA_MAGIC	"REGILDDE"
#define REGILD_DELTA_VERSION	1

struct regild_delta_header {
	__u8	magic[8];		/*  0 */
	__le32	version;		/*  8 */
	__le32	manifest_length;	/* 12: bytes that follow the header */
	__le64	base_version;		/* 16: what it is a difference to */
	__le64	entries;		/* 24: that follow the manifest */
	__u8	base_root_hash[32];	/* 32 */
};

struct regild_delta_entry {
	__le64	block;			/* 0: ascending */
	__le32	frame_length;		/* 8: bytes that follow; 0: of zeros */
	__le32	zero;			/* 12 */
};

/*
 * GPT partition types of a volume, a log and a cache, as text. A partition of
 * the volume type may be provisioned whatever it holds.
 */
#define WRITELOG_GPT_TYPE_DATA	"52474c44-6461-7461-8b1e-6f0c7d2a9e11"
#define WRITELOG_GPT_TYPE_LOG	"52474c44-6c6f-675f-8b1e-6f0c7d2a9e12"
#define REGILD_GPT_TYPE_CACHE	"52474c44-6361-6368-8b1e-6f0c7d2a9e13"

#define WRITELOG_ASSERT(x)	static_assert(x, #x)
#define WRITELOG_AT(type, field, offset) \
	WRITELOG_ASSERT(__builtin_offsetof(struct type, field) == (offset))

WRITELOG_ASSERT(sizeof(struct writelog_record) == WRITELOG_RECORD_SIZE);
WRITELOG_AT(writelog_record, image, 48);
WRITELOG_AT(writelog_record, start_sector, 288);
WRITELOG_AT(writelog_record, document, 312);
WRITELOG_AT(writelog_record, unrestored_boots, 472);
WRITELOG_AT(writelog_record, thawed_until, 480);
WRITELOG_AT(writelog_record, rejected_version, 496);
WRITELOG_AT(writelog_record, text, 512);
WRITELOG_AT(writelog_record, channels, 15744);
WRITELOG_AT(writelog_record, thawed_boots, 504);
WRITELOG_AT(writelog_record, zero2, 15760);
WRITELOG_AT(regild_cache_header, written, 24);
WRITELOG_ASSERT(sizeof(struct regild_cache_bucket) == 4096);
WRITELOG_AT(regild_delta_header, base_root_hash, 32);
WRITELOG_ASSERT(sizeof(struct regild_delta_header) == 64);
WRITELOG_ASSERT(sizeof(struct regild_delta_entry) == 16);

#undef WRITELOG_AT
#undef WRITELOG_ASSERT

#endif /* REGILD_REGILD_FORMAT_H */
