/*
 * A firmware image that has been read once: its tables and the hashes of its pages. The bytes themselves are not kept,
 * so that memory does not grow with the file.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "measure/firmware.h"
#include "measure/measure.h"

struct evp_md_ctx_st;

struct firmware_file {
    struct firmware tables;
    uint8_t (*pages)[SHA384_BYTES];      /* hash of each page from the first; NULL when only the digest is known */
    uint8_t digest[LAUNCH_DIGEST_BYTES]; /* the launch digest after all pages: sev-snp-measure's OVMF hash */
    uint8_t sha384[SHA384_BYTES];        /* of the whole image, when has_sha384 */
    bool has_sha384;
    struct evp_md_ctx_st *sha256; /* of the whole image, not finished: SEV and SEV-ES go on from there; or NULL */
};

#define FIRMWARE_FILE_NONE ((struct firmware_file){ .pages = NULL })

/*
 * From memory: parsed as firmware_parse_tail() does, then hashed in every way. The caller frees with
 * firmware_file_free(). Errors: -EBADMSG with the offset and what was expected; -ENOMEM.
 */
int firmware_file_from_memory(const void *data, size_t size, enum firmware_kind kind, uint64_t end_gpa,
                              struct firmware_file *ret_file, struct reason *why) MUST_CHECK;

/* Tables that are known from elsewhere, and the digest after the pages. */
void firmware_file_from_digest(const struct firmware *tables, const uint8_t digest[LAUNCH_DIGEST_BYTES],
                               struct firmware_file *ret_file);

void firmware_file_free(struct firmware_file *file);

#define CLEANUP_FIRMWARE_FILE CLEANUP(firmware_file_free)
