/*
 * The tables of a firmware image as a JSON file: with the digest after its pages, all that a launch digest needs, so
 * that the image itself need not be carried about.
 *
 *   {"type": "urn:postern:firmware-metadata:v1", "size": 4194304, "reset_eip": 8433668,
 *    "hash_table": {"gpa": 8453120, "size": 1024},
 *    "sections": [{"kind": "SEC_MEM", "gpa": 8388608, "size": 36864}, ...]}
 *
 * "hash_table" is absent from firmware that cannot check a kernel. The order of sections is the launch's.
 */
#pragma once

#include "base/buffer.h"
#include "measure/firmware.h"

#define FIRMWARE_METADATA_MAX_BYTES 65536

/* From a file's bytes; the same rules as for the tables in an image. Errors: -EBADMSG and -EMSGSIZE with a sentence. */
int firmware_metadata_decode(const void *text, size_t size, struct firmware *ret_firmware, struct reason *why)
    MUST_CHECK;

/* From a file. Errors: also those of file_read(). */
int firmware_metadata_read(const char *path, struct firmware *ret_firmware, struct reason *why) MUST_CHECK;

void firmware_metadata_encode(const struct firmware *firmware, struct buffer *to);
