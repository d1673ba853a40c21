/* Manifest files: a DSSE envelope around a manifest, read, judged and written. */
#pragma once

#include "cli/signers.h"
#include "measure/dsse.h"
#include "measure/manifest.h"

struct manifest_file_read {
    struct dsse envelope;
    struct manifest *manifest;
};

#define MANIFEST_FILE_NONE ((struct manifest_file_read){ .manifest = NULL })

/*
 * Reads an envelope of at most DSSE_MAX_BYTES with a manifest in it. Signatures are not looked at. The caller frees.
 * Errors: -errno, -EBADMSG; with a sentence that names the path.
 */
int manifest_file_read(const char *path, struct manifest_file_read *ret_file, struct reason *why) MUST_CHECK;
void manifest_file_free(struct manifest_file_read *file);

#define CLEANUP_MANIFEST_FILE CLEANUP(manifest_file_free)

/*
 * The same, but what is inside is believed only after the signatures have been verified: nothing of the manifest is
 * parsed before. Errors: -EKEYREJECTED when too few have signed; others as manifest_file_read().
 */
int manifest_file_verify(const char *path, const struct dsse_keys *keys, size_t threshold,
                         struct manifest_file_read *ret_file, struct dsse_verdict *ret_verdict, struct reason *why)
    MUST_CHECK;

/* The envelope, through a temporary beside `path`. Errors: -errno with a sentence. */
int manifest_file_write(const char *path, const struct dsse *envelope, struct reason *why) MUST_CHECK;
