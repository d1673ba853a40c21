/* The host controls the disk; nothing of its payload is looked at before the signatures hold. */
#include "init/manifest-check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "init/devices.h"
#include "measure/manifest-format.h"

#define WORD_MAX_BYTES (MANIFEST_NAME_BYTES - 1)
#define HASH_DIGITS 64

/* " initrd 0011223344556677": the start of an artefact's hash, which is enough to see which one it is. */
static void add_artefact(struct json_reader *inputs, const char *role, struct json_reader *subjects, size_t count,
                         struct buffer *to)
{
    struct json_reader subject, digest;
    const char *wanted = NULL, *name = NULL, *hash = NULL;

    if (!json_read_string(inputs, role, JSON_OPTIONAL, WORD_MAX_BYTES, &wanted))
        return;
    for (size_t i = 0; i < count && json_element_object(subjects, i, &subject); i++)
        if (json_read_string(&subject, "name", JSON_REQUIRED, WORD_MAX_BYTES, &name) && strcmp(name, wanted) == 0 &&
            json_read_object(&subject, "digest", JSON_REQUIRED, &digest) &&
            json_read_string(&digest, "sha256", JSON_REQUIRED, HASH_DIGITS, &hash))
            buffer_printf(to, " %s %.16s", role, hash);
}

/* "QEMU, EPYC-v4, 2 vCPUs, features 0x1; firmware 0011223344556677 kernel … initrd …" */
static void describe(struct json_reader *root, struct json_reader *predicate, struct json_reader *row,
                     struct buffer *to)
{
    static const char *const roles[] = { "firmware", "kernel", "initrd" };
    const char *vmm = "", *type = "any CPU type";
    uint64_t vcpus = 0, features = 0;
    struct json_reader inputs, subjects;
    size_t count = 0;

    (void)json_read_string(row, "vmm", JSON_REQUIRED, WORD_MAX_BYTES, &vmm);
    (void)json_read_string(row, "vcpu_type", JSON_OPTIONAL, WORD_MAX_BYTES, &type);
    (void)json_read_u64(row, "vcpus", JSON_REQUIRED, 1, UINT32_MAX, &vcpus);
    (void)json_read_u64(row, "guest_features", JSON_REQUIRED, 0, INT64_MAX, &features);
    buffer_printf(to, "%s, %s, %llu vCPUs, features 0x%llx;", vmm, type, (unsigned long long)vcpus,
                  (unsigned long long)features);
    if (!json_read_object(predicate, "inputs", JSON_REQUIRED, &inputs) ||
        !json_read_array(root, "subject", JSON_REQUIRED, MANIFEST_MAX_ARTEFACTS, &subjects, &count))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        add_artefact(&inputs, roles[i], &subjects, count, to);
}

static bool is_launch(struct json_reader *rows, size_t index, const struct report *report, struct json_reader *ret_row)
{
    uint8_t digest[MEASUREMENT_BYTES];

    return json_element_object(rows, index, ret_row) &&
           json_read_hex(ret_row, "digest", JSON_REQUIRED, digest, sizeof(digest)) &&
           memcmp(digest, report->measurement, sizeof(digest)) == 0;
}

/*
 * Finds the launch's row. Of the manifest (docs/manifest.md) only what the note says is looked at: for the rest its
 * signers answer.
 */
static int look_up(const struct dsse *envelope, const struct report *report, struct buffer *to, struct reason *why)
{
    CLEANUP_JSON struct json_object *tree = NULL;
    struct json_status status = { 0, why };
    struct json_reader root, predicate, rows, row;
    char digest[HEX_TEXT_BYTES(MEASUREMENT_BYTES)];
    const char *type = NULL;
    size_t count = 0, i = 0;
    int r;

    if (strcmp(envelope->type, MANIFEST_PAYLOAD_TYPE) != 0)
        return reason_set(why, -EBADMSG, "holds \"%s\", expected \"%s\"", envelope->type, MANIFEST_PAYLOAD_TYPE);
    r = json_parse(envelope->payload, envelope->payload_size, DSSE_MAX_PAYLOAD_BYTES, &tree, why);
    if (r < 0)
        return r;
    json_read_root(tree, &status, &root);
    if (json_read_string(&root, "predicateType", JSON_REQUIRED, WORD_MAX_BYTES, &type) &&
        strcmp(type, MANIFEST_PREDICATE_TYPE) != 0)
        json_refuse(&root, "predicateType", "\"%s\", expected \"%s\"", type, MANIFEST_PREDICATE_TYPE);
    if (!json_read_object(&root, "predicate", JSON_REQUIRED, &predicate) ||
        !json_read_array(&predicate, "rows", JSON_REQUIRED, MANIFEST_MAX_ROWS, &rows, &count))
        return status.error;
    while (i < count && !status.error && !is_launch(&rows, i, report, &row))
        i++;
    if (status.error)
        return status.error;
    if (i < count) {
        describe(&root, &predicate, &row, to);
        return status.error;
    }
    hex_encode(report->measurement, MEASUREMENT_BYTES, digest);
    return reason_set(why, -ENOENT, "none of its %zu launches has this guest's digest %s", count, digest);
}

int manifest_check(const struct config_manifest *config, const struct report *report, const void *text, size_t size,
                   char ret_note[MANIFEST_NOTE_BYTES], struct reason *why)
{
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    CLEANUP_BUFFER struct buffer note = BUFFER_EMPTY;
    struct dsse_verdict verdict;
    int r = dsse_parse(text, size, &envelope, why);

    if (r == 0)
        r = dsse_verify(&envelope, &config->signers, config->threshold, &verdict, why);
    if (r == 0)
        r = look_up(&envelope, report, &note, why);
    if (r == 0)
        r = buffer_error(&note);
    if (r < 0) {
        reason_prefix(why, "manifest");
        return r;
    }
    (void)snprintf(ret_note, MANIFEST_NOTE_BYTES, "in the manifest: %.*s; %zu of %zu signers", (int)note.size,
                   (const char *)note.data, verdict.keys, config->signers.count);
    return 0;
}

int manifest_check_disk(const struct config_manifest *config, const struct report *report, uint64_t deadline_ms,
                        char ret_note[MANIFEST_NOTE_BYTES], struct reason *why)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    int r = devices_read_text(config->device, deadline_ms, DSSE_MAX_BYTES, &text, &size, why);

    if (r == 0)
        return manifest_check(config, report, text, size, ret_note, why);
    reason_prefix(why, "manifest");
    return r;
}
