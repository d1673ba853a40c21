/* Rows and ID blocks of an image directory: anybody's bytes, which the secure processor and the broker judge. */
#include "cli/launch-row.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/manifest-file.h"
#include "measure/id-block.h"

#define ID_BLOCKS_MAX_BYTES (256u * 1024 * 1024) /* 32768 rows of 6 KiB are 192 MiB */
#define ID_LINE_MAX_BYTES (16u * 1024)

/* "1-512 vCPUs of EPYC-v4, EPYC-Milan with features 0x1" */
static void list_rows(const struct matrix_plan *plan, struct buffer *to)
{
    const char *between = "";

    for (unsigned from = 1; from <= VCPUS_MAX; from++) {
        unsigned last = from;

        if (!plan->vcpus[from])
            continue;
        while (last < VCPUS_MAX && plan->vcpus[last + 1])
            last++;
        buffer_printf(to, last > from ? "%s%u-%u" : "%s%u", between, from, last);
        between = ", ";
        from = last;
    }
    buffer_add_text(to, " vCPUs of ");
    for (size_t i = 0; i < plan->cpu_count; i++)
        buffer_printf(to, "%s%s", i ? ", " : "", plan->cpus[i].name);
    buffer_add_text(to, " with features");
    for (size_t i = 0; i < plan->feature_count; i++)
        buffer_printf(to, "%s 0x%" PRIx64, i ? "," : "", plan->features[i]);
}

int launch_row_find(const char *directory, const struct launch_wish *wish, uint8_t ret_digest[LAUNCH_DIGEST_BYTES],
                    struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    CLEANUP_BUFFER struct buffer rows = BUFFER_EMPTY;
    CLEANUP_FREE char *path = NULL;
    int r;

    if (asprintf(&path, "%s/manifest.json", directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    r = manifest_file_read(path, &file, why);
    if (r < 0)
        return r;
    for (size_t i = 0; i < file.manifest->row_count; i++) {
        struct manifest_row row = manifest_plan_row(&file.manifest->plan, i);

        if (row.vmm == VMM_QEMU && row.cpu && strcmp(row.cpu->name, wish->vcpu_type) == 0 &&
            row.vcpus == wish->vcpus && row.features == wish->features) {
            memcpy(ret_digest, file.manifest->digests[i], LAUNCH_DIGEST_BYTES);
            return 0;
        }
    }
    list_rows(&file.manifest->plan, &rows);
    return reason_set(why, -EDOM, "%s has no row for %" PRIu64 " vCPUs of %s with features 0x%" PRIx64 "; it has %s",
                      path, wish->vcpus, wish->vcpu_type, wish->features, buffer_text(&rows));
}

static int read_line(const char *line, size_t size, uint64_t policy, struct launch_id *ret_id,
                     struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { .why = why };
    struct json_reader reader;
    const char *block = NULL, *auth = NULL;
    uint64_t signed_policy = 0;
    int r = json_parse(line, size, ID_LINE_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    (void)json_read_string(&reader, "id_block", JSON_REQUIRED, ID_LINE_MAX_BYTES, &block);
    (void)json_read_string(&reader, "id_auth", JSON_REQUIRED, ID_LINE_MAX_BYTES, &auth);
    (void)json_read_u64(&reader, "policy", JSON_REQUIRED, 0, MANIFEST_MAX_NUMBER, &signed_policy);
    if (status.error < 0)
        return status.error;
    if (strspn(block, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != strlen(block) ||
        strspn(auth, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != strlen(auth))
        return reason_set(why, -EBADMSG, "the ID block is not base64");
    if (signed_policy != policy)
        return reason_set(why, -EINVAL, "the ID block is signed for guest policy 0x%" PRIx64 ", this launch has 0x%"
                          PRIx64 " (--policy), and the processor would refuse it", signed_policy, policy);
    ret_id->has_author = json_has(&reader, "author_key_digest");
    ret_id->block = strdup(block);
    ret_id->auth = strdup(auth);
    if (ret_id->block && ret_id->auth)
        return 0;
    launch_id_free(ret_id);
    return -ENOMEM;
}

int launch_id_find(const char *path, const uint8_t digest[LAUNCH_DIGEST_BYTES], uint64_t policy,
                   struct launch_id *ret_id, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    const char *found, *begin, *end;
    size_t size = 0;
    int r = file_read(path, ID_BLOCKS_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    hex_encode(digest, LAUNCH_DIGEST_BYTES, hex);
    found = memmem(text, size, hex, strlen(hex));
    if (!found)
        return reason_set(why, -EINVAL, "%s: has no ID block for launch digest %.16s…", path, hex);
    begin = memrchr(text, '\n', (size_t)(found - (const char *)text));
    begin = begin ? begin + 1 : (const char *)text;
    end = memchr(found, '\n', size - (size_t)(found - (const char *)text));
    r = read_line(begin, (size_t)((end ? end : (const char *)text + size) - begin), policy, ret_id, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

void launch_id_free(struct launch_id *id)
{
    free(id->block);
    free(id->auth);
    *id = (struct launch_id){ .block = NULL };
}
