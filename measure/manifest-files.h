/*
 * A manifest held against the files of a directory: their hashes, the launches they give, and which of them are not the
 * published ones.
 */
#pragma once

#include "measure/firmware-file.h"
#include "measure/manifest.h"

struct manifest_file {
    int error; /* 0, or negative: it could not be read, and why */
    struct reason why;
    uint64_t size;
    uint8_t sha256[SHA256_BYTES];
};

struct manifest_files {
    struct manifest_file files[MANIFEST_MAX_ARTEFACTS]; /* in the order of the manifest's artefacts */
    struct firmware_file firmware;                      /* when has_firmware */
    bool has_firmware;                                  /* it was read and understood */
    struct reason firmware_why;                         /* why it was not */
};

/*
 * Reads each artefact of the manifest in `directory` once. Only regular files count: a symbolic link would show
 * something else than what is published there. What cannot be read is noted in files[]. The caller calls
 * manifest_files_free() on success. Errors: -ENOTDIR, -ENOENT, -EACCES for the directory; -ENOMEM.
 */
int manifest_files_read(const char *directory, const struct manifest *manifest, struct manifest_files *ret_files,
                        struct reason *why) MUST_CHECK;

void manifest_files_free(struct manifest_files *files);

/* Whether artefact `index` is the published one, byte for byte. */
bool manifest_file_agrees(const struct manifest *manifest, const struct manifest_files *files, size_t index);

/*
 * What the firmware measures of kernel, initrd and command line: of the files that were found (`found`), or as the
 * manifest publishes them (NULL). Errors: -ENOENT when kernel or initrd was not found, -ENODATA without a kernel,
 * -ENOMEM.
 */
int manifest_kernel_hashes(const struct manifest *manifest, const struct manifest_files *found,
                           struct kernel_hashes *ret_hashes) MUST_CHECK;

/*
 * The launch of the manifest's first row, for launch_explain(); `hashes` NULL without a kernel. What it points to has
 * to outlive the result.
 */
struct launch_inputs manifest_launch(const struct manifest *manifest, const struct firmware_file *firmware,
                                     const struct kernel_hashes *hashes);

/*
 * All rows of the manifest's plan, in its order: manifest_plan_rows() digests. The caller frees. Errors: -EINVAL when
 * such a guest cannot be launched, -ENOMEM.
 */
int manifest_compute_rows(const struct manifest *manifest, const struct firmware_file *firmware,
                          const struct kernel_hashes *hashes, uint8_t (**ret_digests)[LAUNCH_DIGEST_BYTES],
                          struct reason *why) MUST_CHECK;
