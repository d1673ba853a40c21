/*
 * First use of a volume in the guest: an ext4 file system from a template that was made with the image. The template
 * is the file system's blocks that are not zero: 4 bytes of block number, little-endian, and 4096 bytes, each.
 */
#pragma once

#include "base/reason.h"
#include "luks/crypt.h"

#define FORMAT_TEMPLATE_PATH "/usr/lib/postern/ext4.template"
#define FORMAT_TEMPLATE_MAX_BYTES (4u * 1024 * 1024)
#define FORMAT_TEMPLATE_VOLUME_BYTES (16u * 1024 * 1024) /* how large its file system is */

/*
 * Writes the tags' superblock and journal to the disk (nothing without tags). What the volume held is lost. Errors:
 * -ENOSPC, -EINVAL, -errno.
 */
int format_prepare(const struct crypt_volume *volume, int disk, struct reason *why) MUST_CHECK;

/*
 * Writes zeros and the template to the mapped volume, its block 0 last, then syncs. With tags all blocks are written:
 * one that never was cannot be read. Errors: -EBADMSG for a template that is none, -errno.
 */
int format_fill(const struct crypt_volume *volume, int mapping, const uint8_t *template, size_t size,
                struct reason *why) MUST_CHECK;

/* Zeros from one place of a mapped volume with tags to another, both multiples of 4096, then syncs. Errors: -errno. */
int format_extend(int mapping, uint64_t from, uint64_t to) MUST_CHECK;

/* Whether the start of the disk and of the volume are all zero. Errors: -errno. */
int format_is_blank(const struct crypt_volume *volume, int disk, bool *ret_blank) MUST_CHECK;
