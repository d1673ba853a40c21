/* Files that anybody may have published. */
#include "cli/manifest-file.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"

void manifest_file_free(struct manifest_file_read *file)
{
    dsse_free(&file->envelope);
    manifest_free(&file->manifest);
}

static int read_envelope(const char *path, struct dsse *ret_envelope, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, DSSE_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = dsse_parse(text, size, ret_envelope, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static int open_envelope(const char *path, struct manifest_file_read *file, struct reason *why)
{
    int r;

    if (strcmp(file->envelope.type, MANIFEST_PAYLOAD_TYPE) != 0)
        return reason_set(why, -EBADMSG, "%s: holds \"%s\", expected \"%s\"", path, file->envelope.type,
                          MANIFEST_PAYLOAD_TYPE);
    r = manifest_parse(file->envelope.payload, file->envelope.payload_size, &file->manifest, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

int manifest_file_read(const char *path, struct manifest_file_read *ret_file, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    int r = read_envelope(path, &file.envelope, why);

    if (r == 0)
        r = open_envelope(path, &file, why);
    if (r < 0)
        return r;
    *ret_file = file;
    file = MANIFEST_FILE_NONE;
    return 0;
}

int manifest_file_verify(const char *path, const struct dsse_keys *keys, size_t threshold,
                         struct manifest_file_read *ret_file, struct dsse_verdict *ret_verdict, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    int r = read_envelope(path, &file.envelope, why);

    if (r < 0)
        return r;
    r = dsse_verify(&file.envelope, keys, threshold, ret_verdict, why);
    if (r < 0) {
        reason_prefix(why, path);
        return r;
    }
    r = open_envelope(path, &file, why);
    if (r < 0)
        return r;
    *ret_file = file;
    file = MANIFEST_FILE_NONE;
    return 0;
}

int manifest_file_write(const char *path, const struct dsse *envelope, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    int r;

    dsse_encode(envelope, &text);
    r = buffer_error(&text);
    return r < 0 ? r : file_write(path, 0644, text.data, text.size, why);
}
