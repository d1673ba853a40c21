/*
 * An audit: everything the manifest says is computed again. Manifest and files may come from anybody, also from whoever
 * hopes to be believed.
 */
#include "cli/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

void audit_free(struct audit *audit)
{
    manifest_file_free(&audit->file);
    dsse_keys_free(&audit->keys);
    manifest_files_free(&audit->files);
    free(audit->digests);
    audit->digests = NULL;
}

static int check_signatures(struct audit *audit, const struct signers *signers, struct reason *why)
{
    int r;

    if (!signers->files.count && !signers->threshold)
        return 0;
    audit->signatures_checked = true;
    r = signers_load(signers, &audit->keys, &audit->threshold, why);
    if (r < 0)
        return r;
    r = dsse_verify(&audit->file.envelope, &audit->keys, audit->threshold, &audit->verdict, &audit->signatures_why);
    if (r == -EKEYREJECTED) {
        audit->signatures_fail = true;
        return 0;
    }
    return r;
}

static int keep_step(void *context, const struct contribution *contribution)
{
    struct audit *audit = context;

    if (audit->step_count == AUDIT_MAX_STEPS)
        return -ERANGE;
    audit->steps[audit->step_count++] = *contribution;
    return 0;
}

/*
 * With the published hashes of kernel and initrd, whatever lies in the directory: whether the files are the published
 * ones is judged by itself, and so is whether the table follows from what is published. Only the firmware has to be
 * there.
 */
static int check_rows(struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    size_t firmware = m->roles[MANIFEST_FIRMWARE];
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    struct kernel_hashes hashes;
    struct launch_inputs launch;
    int r = manifest_kernel_hashes(m, NULL, &hashes);
    bool boots_kernel = r == 0;

    if (r < 0 && r != -ENODATA)
        return r;
    if (!manifest_file_agrees(m, &audit->files, firmware)) {
        (void)reason_set(&audit->rows_why, 0, "%s is not the published one", m->artefacts[firmware].name);
        return 0;
    }
    if (!audit->files.has_firmware) {
        audit->rows_why = audit->files.firmware_why;
        return 0;
    }
    r = manifest_compute_rows(m, &audit->files.firmware, boots_kernel ? &hashes : NULL, &audit->digests,
                              &audit->rows_why);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    launch = manifest_launch(m, &audit->files.firmware, boots_kernel ? &hashes : NULL);
    r = launch_explain(&launch, keep_step, audit, digest, &audit->rows_why);
    if (r < 0)
        return r;
    audit->rows_checked = true;
    for (size_t i = m->row_count; i--;)
        if (memcmp(m->digests[i], audit->digests[i], LAUNCH_DIGEST_BYTES) != 0) {
            audit->rows_differ++;
            audit->first_row = i;
        }
    return 0;
}

int audit_run(const char *path, const char *directory, const struct signers *signers, struct audit *ret_audit,
              struct reason *why)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    int r = -ENOMEM;

    if (audit) {
        audit->path = path;
        audit->directory = directory;
        r = manifest_file_read(path, &audit->file, why);
    }
    if (r == 0)
        r = check_signatures(audit, signers, why);
    if (r == 0)
        r = manifest_files_read(directory, audit->file.manifest, &audit->files, why);
    if (r == 0)
        r = check_rows(audit);
    if (r < 0) {
        if (audit)
            audit_free(audit);
        free(audit);
        return r;
    }
    for (size_t i = 0; i < audit->file.manifest->artefact_count; i++)
        audit->artefacts_differ += !manifest_file_agrees(audit->file.manifest, &audit->files, i);
    *ret_audit = *audit;
    free(audit);
    return 0;
}

enum audit_exit audit_exit(const struct audit *audit)
{
    if (audit->signatures_fail)
        return AUDIT_SIGNATURE;
    if (audit->artefacts_differ)
        return AUDIT_ARTEFACT;
    return audit->rows_checked && !audit->rows_differ ? AUDIT_AGREES : AUDIT_ROW;
}

bool audit_row_differs(const struct audit *audit, size_t index)
{
    return audit->rows_checked &&
           memcmp(audit->file.manifest->digests[index], audit->digests[index], LAUNCH_DIGEST_BYTES) != 0;
}

const char *audit_role(const struct audit *audit, size_t index)
{
    const struct manifest *m = audit->file.manifest;

    for (int role = 0; role < MANIFEST_ROLES; role++)
        if (m->roles[role] == index)
            return role == MANIFEST_LOCK ? "packages" : manifest_role_name((enum manifest_role)role);
    return strcmp(m->artefacts[index].name, "cmdline") == 0 ? "command line" : "other";
}

void audit_add_clean(struct buffer *to, const char *text)
{
    for (; *text; text++) {
        if (*text >= 0x20 && *text <= 0x7e && *text != '\\')
            buffer_add(to, text, 1);
        else
            buffer_printf(to, "\\x%02x", (unsigned char)*text);
    }
}

void audit_artefact(const struct audit *audit, size_t index, struct buffer *to)
{
    const struct manifest_artefact *published = &audit->file.manifest->artefacts[index];
    const struct manifest_file *found = &audit->files.files[index];
    char there[HEX_TEXT_BYTES(SHA256_BYTES)], here[HEX_TEXT_BYTES(SHA256_BYTES)];

    hex_encode(published->sha256, SHA256_BYTES, there);
    hex_encode(found->sha256, SHA256_BYTES, here);
    if (found->error)
        buffer_printf(to, "%s; published is one of SHA-256 %s", reason_text(&found->why, found->error), there);
    else if (memcmp(published->sha256, found->sha256, SHA256_BYTES) != 0)
        buffer_printf(to, "is not the published one: SHA-256 %s, published %s%s", here, there,
                      found->size != published->size ? "; it has another size" : "");
    else if (found->size != published->size)
        buffer_printf(to, "has %" PRIu64 " bytes, but the manifest says %" PRIu64, found->size, published->size);
    else
        buffer_add_text(to, "is the published one");
}

void audit_rows(const struct audit *audit, struct buffer *to)
{
    const struct manifest *m = audit->file.manifest;
    char there[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], here[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    struct manifest_row row = manifest_plan_row(&m->plan, audit->first_row);

    if (!audit->rows_checked) {
        buffer_printf(to, "none of %zu launch digests could be recomputed: %s", m->row_count, audit->rows_why.text);
        return;
    }
    if (!audit->rows_differ) {
        buffer_printf(to, "all %zu launch digests follow from the published files", m->row_count);
        return;
    }
    hex_encode(m->digests[audit->first_row], LAUNCH_DIGEST_BYTES, there);
    hex_encode(audit->digests[audit->first_row], LAUNCH_DIGEST_BYTES, here);
    buffer_printf(to, "%zu of %zu launch digests do not follow from the published files; the first: %s, %s, %u vCPUs, "
                  "features 0x%" PRIx64 " gives %s, published is %s",
                  audit->rows_differ, m->row_count, vmm_name(row.vmm), row.cpu ? row.cpu->name : "any CPU type",
                  row.vcpus, row.features, here, there);
}

void audit_outcome(const struct audit *audit, struct buffer *to)
{
    switch (audit_exit(audit)) {
    case AUDIT_AGREES:
        buffer_add_text(to, audit->signatures_checked
                                ? "the files are the published ones, and the signatures hold"
                                : "the files are what the manifest says; without --key nobody vouches for it");
        break;
    case AUDIT_SIGNATURE:
        buffer_add_text(to, "the manifest is not signed by those whose signature counts");
        break;
    case AUDIT_ARTEFACT:
        buffer_printf(to, "%zu of %zu files are not the published ones", audit->artefacts_differ,
                      audit->file.manifest->artefact_count);
        break;
    case AUDIT_ROW:
        buffer_add_text(to, "the files are the published ones, but the table of launch digests is not theirs");
        break;
    }
}
