/* Records that change while their disk stays. What is changed comes out of the store, and is authenticated there. */
#include "broker/rotation.h"

#include <errno.h>
#include <string.h>

#include "broker/seal.h"
#include "broker/volumes.h"
#include "release/record.h"

#define BLOCK_BYTES 4096u
#define ROOM_BYTES (16u * 1024 * 1024) /* before the data; a rotating guest keeps its log there (luks/rotation.h) */

/* A volume's row, and what its record says. */
struct opened {
    struct volume volume;
    struct record record;
    struct secret key;
};

static void opened_free(struct opened *opened)
{
    volume_free(&opened->volume);
    secret_free(&opened->key);
}

#define OPENED_NONE { .volume = VOLUME_NONE, .key = SECRET_NONE }

static int open_volume(struct store *store, const struct secret *kek, const char *resource, struct opened *opened,
                       struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    int r = volume_find(store, resource, &opened->volume, why);

    if (r == 0 && opened->volume.kind != VOLUME_RECORD)
        r = reason_set(why, -EINVAL, "%s: is a plain secret and no volume", resource);
    if (r == 0)
        r = volume_unseal(&opened->volume, kek, resource, &bytes, why);
    return r < 0 ? r : record_parse(&bytes, &opened->record, &opened->key, why);
}

/* Puts the changed record in place of the one that is there. */
static int replace(struct store *store, const struct secret *kek, const char *resource, const struct opened *opened,
                   const struct secret *key, struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    const struct seal_context context = { .resource = resource,
                                          .version = opened->volume.version,
                                          .kind = (uint8_t)opened->volume.kind,
                                          .state = (uint8_t)opened->record.state,
                                          .policy = &opened->volume.policy,
                                          .manifests = &opened->volume.manifests };
    sqlite3_stmt *statement = NULL;
    int r = record_encode(&opened->record, key, &bytes);

    if (r == -EINVAL)
        return reason_set(why, r, "%s: a volume cannot have %llu bytes", resource,
                          (unsigned long long)opened->record.length);
    if (r == 0)
        r = seal_close(kek, &context, &bytes, &sealed);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_ROTATED, &statement, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)opened->volume.version) != SQLITE_OK ||
        sqlite3_bind_blob64(statement, 2, sealed.data, sealed.size, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 3, opened->record.state) != SQLITE_OK)
        return -ENOMEM;
    return store_step(store, statement, why);
}

static int must_be_ready(const char *resource, const struct opened *opened, struct reason *why)
{
    if (opened->volume.state == RECORD_READY)
        return 0;
    return reason_set(why, -EINVAL, "%s: %s", resource,
                      opened->volume.state == RECORD_ROTATING
                          ? "it is on its way to another key; its guest has not confirmed the end yet"
                          : "no guest has initialised it yet");
}

/* Both keys side by side, the new one first. */
static int join_keys(const struct secret *before, struct secret *ret_keys)
{
    struct secret keys = SECRET_NONE;
    int r = secret_random(2 * before->size, &keys);

    if (r < 0)
        return r;
    memcpy(keys.bytes + before->size, before->bytes, before->size);
    *ret_keys = keys;
    return 0;
}

/* The newest version goes on from the epoch of the one before it. */
static int take_epoch(struct store *store, const char *resource, uint64_t epoch, struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    sqlite3_stmt *statement = NULL;
    int r = volume_find(store, resource, &volume, why);

    if (r == 0)
        r = store_statement(store, STORE_VOLUME_EPOCH, &statement, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)volume.version) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)epoch) != SQLITE_OK)
        return -ENOMEM;
    return store_step(store, statement, why);
}

int rotation_begin(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    struct store *store = operation->store;
    const struct secret *kek = operation->kek;
    const char *resource = request->resource;
    CLEANUP(opened_free) struct opened opened = OPENED_NONE;
    CLEANUP_SECRET struct secret keys = SECRET_NONE, bytes = SECRET_NONE;
    int r = open_volume(store, kek, resource, &opened, why);

    if (r == 0)
        r = must_be_ready(resource, &opened, why);
    if (r < 0)
        return r;
    if (opened.record.offset < ROOM_BYTES)
        return reason_set(why, -EINVAL, "%s: its data starts %llu bytes into the disk, a rotation needs 16 MiB there",
                          resource, (unsigned long long)opened.record.offset);
    opened.record.state = RECORD_ROTATING;
    opened.record.generation = opened.volume.generation;
    opened.record.has_header_mac = false; /* the header is that of the key before */
    r = join_keys(&opened.key, &keys);
    if (r == 0)
        r = record_encode(&opened.record, &keys, &bytes);
    if (r == 0)
        r = volume_add(store, kek, resource, VOLUME_RECORD, &bytes, true, why);
    if (r == 0)
        r = take_epoch(store, resource, opened.volume.epoch, why);
    if (r == 0)
        buffer_printf(operation->output, "%s: has another key; the next guests re-encrypt its disk, and the key before "
                                         "is kept until one confirms the end\n", resource);
    return r;
}

int rotation_end(struct store *store, const struct secret *kek, const char *resource, struct reason *why)
{
    CLEANUP(opened_free) struct opened opened = OPENED_NONE;
    sqlite3_stmt *statement = NULL;
    int r = open_volume(store, kek, resource, &opened, why);

    if (r < 0)
        return r;
    if (opened.record.state != RECORD_ROTATING)
        return reason_set(why, -EINVAL, "%s: it is not on its way to another key", resource);
    opened.record.state = RECORD_READY;
    secret_shrink(&opened.key, opened.key.size / 2);
    r = replace(store, kek, resource, &opened, &opened.key, why);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_DELETE_OLDER, &statement, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_text(statement, 1, resource, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)opened.volume.version) != SQLITE_OK)
        return -ENOMEM;
    return store_step(store, statement, why);
}

int rotation_grow(const struct operation *operation, const struct admin_request *request, struct buffer *detail,
                  struct reason *why)
{
    const char *resource = request->resource;
    uint64_t length = request->version;
    CLEANUP(opened_free) struct opened opened = OPENED_NONE;
    int r = open_volume(operation->store, operation->kek, resource, &opened, why);

    if (r == 0)
        r = must_be_ready(resource, &opened, why);
    if (r < 0)
        return r;
    if (length <= opened.record.length || length % BLOCK_BYTES)
        return reason_set(why, -EINVAL, "%s: %llu bytes; expected a multiple of 4096 greater than %llu", resource,
                          (unsigned long long)length, (unsigned long long)opened.record.length);
    opened.record.length = length;
    r = replace(operation->store, operation->kek, resource, &opened, &opened.key, why);
    if (r < 0)
        return r;
    buffer_printf(detail, "%llu bytes", (unsigned long long)length);
    buffer_printf(operation->output, "%s: has %llu bytes; the next guest makes its file system larger\n", resource,
                  (unsigned long long)length);
    return 0;
}
