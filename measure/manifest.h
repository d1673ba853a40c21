/*
 * Manifests: what an image consists of, how it is launched, and every launch digest that comes of it. The payload of a
 * DSSE envelope (dsse.h): an in-toto Statement v1 whose subjects are the artefacts by SHA-256 and whose predicate holds
 * inputs, table and tools. docs/manifest.md specifies the members.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "measure/kernel-hashes.h"
#include "measure/manifest-format.h"
#include "measure/matrix.h"
#include "measure/measure.h"

struct manifest_artefact {
    char name[MANIFEST_NAME_BYTES]; /* manifest_name_ok() */
    uint64_t size;
    uint8_t sha256[SHA256_BYTES];
};

struct manifest_tool {
    char name[MANIFEST_NAME_BYTES];
    char version[MANIFEST_NAME_BYTES];
};

/* The measured files, by their places among the artefacts. */
enum manifest_role {
    MANIFEST_FIRMWARE,
    MANIFEST_KERNEL,
    MANIFEST_INITRD,
    MANIFEST_LOCK, /* not measured: the list of packages that all was made of */
    MANIFEST_ROLES,
};

#define MANIFEST_NO_ARTEFACT SIZE_MAX

struct manifest {
    struct manifest_artefact artefacts[MANIFEST_MAX_ARTEFACTS]; /* names ascending */
    size_t artefact_count;
    size_t roles[MANIFEST_ROLES]; /* index of the artefact, or MANIFEST_NO_ARTEFACT; firmware is always there */
    bool has_cmdline;             /* with a kernel only */
    char cmdline[MANIFEST_MAX_CMDLINE_BYTES + 1];
    struct matrix_plan plan; /* names of CPU types lie in cpu_names: a struct manifest is not to be copied */
    char cpu_names[MATRIX_MAX_CPUS][MANIFEST_NAME_BYTES];
    struct manifest_tool tools[MANIFEST_MAX_TOOLS]; /* names ascending */
    size_t tool_count;
    uint8_t (*digests)[LAUNCH_DIGEST_BYTES]; /* one for each row of the plan, in its order */
    size_t row_count;
};

/* An empty one: NULL without memory. */
struct manifest *manifest_new(void) MUST_CHECK;
void manifest_free(struct manifest **manifest);

#define CLEANUP_MANIFEST CLEANUP(manifest_free)

/* 1 to 63 of A-Z a-z 0-9 . _ + -, the first no dot or dash: never a path, never hidden, never an option. */
bool manifest_name_ok(const char *name);

/* Name of a role: "firmware", "kernel", "initrd", "lock". */
const char *manifest_role_name(enum manifest_role role);

/*
 * Reads a whole Statement. Members are all known and there; the rows are exactly those of the matrix, in its order,
 * each once; the cmdline's hash is that of an artefact `cmdline` where there is one. The caller frees.
 * Errors: -EMSGSIZE, -EBADMSG, -ENOMEM; with a sentence.
 */
int manifest_parse(const void *text, size_t size, struct manifest **ret_manifest, struct reason *why) MUST_CHECK;

/* The Statement as RFC 8785 writes it: the same manifest gives the same bytes. */
void manifest_encode(const struct manifest *manifest, struct buffer *to);

/* Where a row of the plan stands. */
struct manifest_row {
    enum vmm vmm;
    const struct matrix_cpu *cpu; /* NULL where the signature is not measured */
    uint64_t features;
    uint32_t vcpus;
};

/* How many rows the plan gives; 0 when that is none, or more than MANIFEST_MAX_ROWS. */
size_t manifest_plan_rows(const struct matrix_plan *plan);

/* Row `index` of the plan, index below manifest_plan_rows(). */
struct manifest_row manifest_plan_row(const struct matrix_plan *plan, size_t index);

/* Which row has this digest; MANIFEST_NO_ARTEFACT when none has. */
size_t manifest_find(const struct manifest *manifest, const uint8_t digest[LAUNCH_DIGEST_BYTES]);

/* The artefact of that name, or MANIFEST_NO_ARTEFACT. */
size_t manifest_artefact_find(const struct manifest *manifest, const char *name);
