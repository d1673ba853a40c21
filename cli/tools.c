/* The list of packages comes from the image's builder, whose manifest this is. */
#include "cli/tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"

#define LOCK_MAX_BYTES (8u * 1024 * 1024)
#define LOCK_MAX_ENTRIES 16384u

/* Those whose version shows in the bytes of an image. Ascending. */
static const char *const makers[] = {
    "cpio", "cryptsetup-bin", "erofs-utils", "gcc-14", "libssl-dev", "linux-image-cloud-amd64",
    "mkosi", "ovmf-amdsev", "zstd",
};

static void add(struct manifest *m, const char *name, const char *version)
{
    struct manifest_tool *tool = &m->tools[m->tool_count];

    (void)snprintf(tool->name, sizeof(tool->name), "%s", name);
    (void)snprintf(tool->version, sizeof(tool->version), "%s", version);
    m->tool_count++;
}

static void sort(struct manifest *m)
{
    for (size_t i = 1; i < m->tool_count; i++)
        for (size_t k = i; k && strcmp(m->tools[k - 1].name, m->tools[k].name) > 0; k--) {
            struct manifest_tool other = m->tools[k];

            m->tools[k] = m->tools[k - 1];
            m->tools[k - 1] = other;
        }
}

static bool has(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->tool_count; i++)
        if (strcmp(m->tools[i].name, name) == 0)
            return true;
    return false;
}

static void read_entry(struct json_reader *entry, struct manifest *m)
{
    const char *name = NULL, *version = NULL;

    if (!json_read_string(entry, "name", JSON_REQUIRED, MANIFEST_NAME_BYTES - 1, &name) ||
        !json_read_string(entry, "version", JSON_REQUIRED, MANIFEST_NAME_BYTES - 1, &version))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
        if (strcmp(name, makers[i]) == 0 && !has(m, name))
            add(m, name, version);
}

void tools_own(struct manifest *manifest)
{
    add(manifest, "postern", POSTERN_VERSION);
}

int tools_read(const char *path, struct manifest *manifest, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    CLEANUP_FREE uint8_t *text = NULL;
    struct json_status status = { .why = why };
    struct json_reader reader, list, entry;
    size_t size = 0, count = 0;
    int r = file_read(path, LOCK_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = json_parse(text, size, LOCK_MAX_BYTES, &root, why);
    if (r == 0) {
        json_read_root(root, &status, &reader);
        (void)json_read_array(&reader, "inputs", JSON_REQUIRED, LOCK_MAX_ENTRIES, &list, &count);
        for (size_t i = 0; i < count && json_element_object(&list, i, &entry); i++)
            read_entry(&entry, manifest);
        r = status.error;
    }
    if (r < 0) {
        reason_prefix(why, path);
        return r;
    }
    tools_own(manifest);
    sort(manifest);
    return 0;
}
