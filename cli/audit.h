/*
 * What an audit found: a manifest, its signatures, the files beside it. Made once by audit_run(), then printed as text,
 * as JSON, or as a page.
 */
#pragma once

#include "base/buffer.h"
#include "cli/manifest-file.h"
#include "measure/explain.h"
#include "measure/manifest-files.h"

#define AUDIT_MAX_STEPS (FIRMWARE_MAX_SECTIONS + 4)

/* The exit statuses; where several hold, the first of this order. */
enum audit_exit {
    AUDIT_AGREES = 0,
    AUDIT_SIGNATURE = 2,
    AUDIT_ARTEFACT = 3,
    AUDIT_ROW = 4,
};

struct audit {
    const char *path, *directory;
    struct manifest_file_read file;
    struct dsse_keys keys;
    size_t threshold;
    bool signatures_checked; /* keys were given */
    bool signatures_fail;
    struct dsse_verdict verdict;
    struct reason signatures_why;
    struct manifest_files files;
    size_t artefacts_differ;
    bool rows_checked; /* the firmware is the published one, and can be launched */
    struct reason rows_why;
    uint8_t (*digests)[LAUNCH_DIGEST_BYTES]; /* as recomputed, when rows_checked */
    size_t rows_differ, first_row;           /* how many, and the first of them */
    struct contribution steps[AUDIT_MAX_STEPS]; /* of the launch of the first row */
    size_t step_count;
};

/*
 * Reads and recomputes everything. `signers` without keys: signatures are not judged. The caller frees on success.
 * Errors: misuse and files that cannot be used, with a sentence; what merely disagrees is in *ret_audit.
 */
int audit_run(const char *path, const char *directory, const struct signers *signers, struct audit *ret_audit,
              struct reason *why) MUST_CHECK;
void audit_free(struct audit *audit);

enum audit_exit audit_exit(const struct audit *audit);

/* One sentence: the outcome. */
void audit_outcome(const struct audit *audit, struct buffer *to);

/* What is wrong with artefact `index`, or how it agrees, after its name. */
void audit_artefact(const struct audit *audit, size_t index, struct buffer *to);

/* What the launch takes from artefact `index`: "firmware", "kernel" …, or "other". */
const char *audit_role(const struct audit *audit, size_t index);

/* The result about the table, a sentence. */
void audit_rows(const struct audit *audit, struct buffer *to);

bool audit_row_differs(const struct audit *audit, size_t index);

/* Text from the manifest in printable ASCII: other bytes as \xNN. */
void audit_add_clean(struct buffer *to, const char *text);
