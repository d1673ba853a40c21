/*
 * Rows of the table of volumes. Names come from operators and, in look-ups, from anybody; request_resource_valid() has
 * been asked before.
 */
#include "broker/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/seal.h"

void volume_free(struct volume *volume)
{
    buffer_free(&volume->sealed);
    buffer_free(&volume->policy);
    buffer_free(&volume->manifests);
}

static int bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    return sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC) == SQLITE_OK ? 0 : -ENOMEM;
}

/* A statement with the resource as its first parameter. */
static int prepare(struct store *store, enum store_statement which, const char *resource, sqlite3_stmt **ret_statement,
                   struct reason *why)
{
    int r = store_statement(store, which, ret_statement, why);

    return r < 0 ? r : bind_text(*ret_statement, 1, resource);
}

/* Not there: 0. */
static int count_versions(struct store *store, const char *resource, uint64_t *ret_count, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_COUNT, resource, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    *ret_count = (uint64_t)sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}

static int bind_blob(sqlite3_stmt *statement, int place, const void *data, size_t size)
{
    return sqlite3_bind_blob64(statement, place, data, size, SQLITE_STATIC) == SQLITE_OK ? 0 : -ENOMEM;
}

static int bind_u64(sqlite3_stmt *statement, int place, uint64_t value)
{
    return sqlite3_bind_int64(statement, place, (sqlite3_int64)value) == SQLITE_OK ? 0 : -ENOMEM;
}

/* A row without its record yet, which needs the row's number. */
static int insert_row(struct store *store, const char *resource, const struct record *record,
                      const struct volume *like, uint64_t *ret_version, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_INSERT, resource, &statement, why);

    if (r == 0)
        r = like->policy_name[0] ? bind_text(statement, 2, like->policy_name) : 0;
    if (r == 0)
        r = bind_u64(statement, 3, record->state);
    if (r == 0)
        r = bind_u64(statement, 4, record->generation);
    if (r == 0)
        r = bind_u64(statement, 5, like->kind);
    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    *ret_version = store_last_row(store);
    return 0;
}

/* Of the kind and with the policy that `like` has. */
static int insert(struct store *store, const struct secret *kek, const char *resource, const struct secret *bytes,
                  const struct volume *like, struct reason *why)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    struct seal_context context = {
        .resource = resource, .kind = (uint8_t)like->kind, .policy = &like->policy, .manifests = &like->manifests,
    };
    struct record fields = { .state = RECORD_READY };
    sqlite3_stmt *statement = NULL;
    int r = like->kind == VOLUME_RECORD ? record_parse(bytes, &fields, &key, why) : 0;

    if (r == 0)
        r = insert_row(store, resource, &fields, like, &context.version, why);
    if (r < 0)
        return r;
    context.state = (uint8_t)fields.state;
    r = seal_close(kek, &context, bytes, &sealed);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_SEAL, &statement, why);
    if (r == 0)
        r = bind_u64(statement, 1, context.version);
    if (r == 0)
        r = bind_blob(statement, 2, sealed.data, sealed.size);
    return r < 0 ? r : store_step(store, statement, why);
}

int volume_add(struct store *store, const struct secret *kek, const char *resource, enum volume_kind kind,
               const struct secret *bytes, bool next, struct reason *why)
{
    CLEANUP_VOLUME struct volume before = VOLUME_NONE;
    uint64_t count = 0;
    int r = count_versions(store, resource, &count, why);

    if (r == 0 && count && !next)
        return reason_set(why, -EEXIST, "%s: a volume is registered there already; remove it first, or give it a later "
                                        "version with --next", resource);
    before.kind = kind;
    if (r == 0 && next)
        r = volume_find(store, resource, &before, why);
    if (r == 0 && before.kind != kind)
        return reason_set(why, -EEXIST, "%s: is a %s, and a later version of it is one as well", resource,
                          before.kind == VOLUME_PLAIN ? "plain secret" : "volume");
    return r < 0 ? r : insert(store, kek, resource, bytes, &before, why);
}

static void take_column(sqlite3_stmt *statement, int column, struct buffer *to)
{
    const void *data = sqlite3_column_blob(statement, column);

    if (data)
        buffer_add(to, data, (size_t)sqlite3_column_bytes(statement, column));
}

static int not_there(const char *resource, struct reason *why)
{
    return reason_set(why, -ENODATA, "%s: no volume is registered there", resource);
}

static void take_row(sqlite3_stmt *statement, struct volume *volume)
{
    const void *pending = sqlite3_column_blob(statement, 6);
    const char *name = (const char *)sqlite3_column_text(statement, 8);

    volume->version = (uint64_t)sqlite3_column_int64(statement, 0);
    take_column(statement, 1, &volume->sealed);
    take_column(statement, 2, &volume->policy);
    volume->state = (enum record_state)sqlite3_column_int(statement, 3);
    volume->generation = (uint64_t)sqlite3_column_int64(statement, 4);
    volume->epoch = (uint64_t)sqlite3_column_int64(statement, 5);
    volume->pending = pending && sqlite3_column_bytes(statement, 6) == REPORT_ID_BYTES;
    if (volume->pending)
        memcpy(volume->pending_report_id, pending, REPORT_ID_BYTES);
    volume->kind = (enum volume_kind)sqlite3_column_int(statement, 7);
    (void)snprintf(volume->policy_name, sizeof(volume->policy_name), "%s", name ? name : "");
    take_column(statement, 9, &volume->manifests);
}

int volume_find(struct store *store, const char *resource, struct volume *ret_volume, struct reason *why)
{
    struct volume volume = VOLUME_NONE;
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_FIND, resource, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    if (r == 0)
        return not_there(resource, why);
    take_row(statement, &volume);
    (void)sqlite3_reset(statement);
    if (buffer_error(&volume.sealed) < 0 || buffer_error(&volume.policy) < 0 || buffer_error(&volume.manifests) < 0) {
        volume_free(&volume);
        return -ENOMEM;
    }
    *ret_volume = volume;
    return 0;
}

static struct seal_context context_of(const struct volume *volume, const char *resource)
{
    return (struct seal_context){ .resource = resource,
                                  .version = volume->version,
                                  .kind = (uint8_t)volume->kind,
                                  .state = (uint8_t)volume->state,
                                  .policy = &volume->policy,
                                  .manifests = &volume->manifests };
}

static int opened(int r, const char *resource, struct reason *why)
{
    if (r == -EBADMSG)
        return reason_set(why, r, "%s: its record does not open with this broker's key, under this policy and state",
                          resource);
    return r;
}

int volume_unseal(const struct volume *volume, const struct secret *kek, const char *resource,
                  struct secret *ret_record, struct reason *why)
{
    const struct seal_context context = context_of(volume, resource);

    return opened(seal_open(kek, &context, volume->sealed.data, volume->sealed.size, ret_record), resource, why);
}

/* Runs a statement that has to change one row. */
static int change_row(struct store *store, sqlite3_stmt *statement, const char *resource, struct reason *why)
{
    int r = store_step(store, statement, why);

    if (r < 0)
        return r;
    return store_changed(store) ? 0 : not_there(resource, why);
}

int volume_remove(struct store *store, const char *resource, uint64_t version, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, version ? STORE_VOLUME_DELETE_VERSION : STORE_VOLUME_DELETE, resource, &statement, why);

    if (r == 0 && version)
        r = bind_u64(statement, 2, version);
    if (r == 0)
        r = change_row(store, statement, resource, why);
    if (r < 0)
        return r;
    r = policies_remove(store, resource, why);
    return r == -ENODATA ? 0 : r; /* other versions, or others, still need it */
}

int volume_set_policy(struct store *store, const struct secret *kek, const char *resource, const char *name,
                      struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    CLEANUP(policy_row_free) struct policy_row row = POLICY_ROW_NONE;
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    struct seal_context before, after;
    sqlite3_stmt *statement = NULL;
    int r = volume_find(store, resource, &volume, why);

    if (r == 0)
        r = policies_find(store, name, &row, why);
    if (r < 0)
        return r;
    before = after = context_of(&volume, resource);
    after.policy = &row.document;
    after.manifests = &row.manifests;
    r = opened(seal_change(kek, &before, &after, volume.sealed.data, volume.sealed.size, &sealed), resource, why);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_POLICY, &statement, why);
    if (r == 0)
        r = bind_u64(statement, 1, volume.version);
    if (r == 0)
        r = bind_text(statement, 2, name);
    if (r == 0)
        r = bind_blob(statement, 3, sealed.data, sealed.size);
    return r < 0 ? r : change_row(store, statement, resource, why);
}

int volume_note_release(struct store *store, const struct volume *volume, uint64_t generation,
                        const uint8_t report_id[REPORT_ID_BYTES], struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_VOLUME_RELEASED, &statement, why);

    if (r == 0)
        r = bind_u64(statement, 1, volume->version);
    if (r == 0)
        r = bind_u64(statement, 2, generation);
    if (r == 0)
        r = bind_blob(statement, 3, report_id, REPORT_ID_BYTES);
    return r < 0 ? r : store_step(store, statement, why);
}

int volume_note_confirmation(struct store *store, const struct secret *kek, const char *resource,
                             const struct volume *volume, struct reason *why)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    struct seal_context before = context_of(volume, resource), after = before;
    sqlite3_stmt *statement = NULL;
    int r;

    /* A rotation has an end of its own: volume_note_rotation(). */
    after.state = volume->state == RECORD_ROTATING ? RECORD_ROTATING : RECORD_READY;
    r = opened(seal_change(kek, &before, &after, volume->sealed.data, volume->sealed.size, &sealed), resource, why);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_CONFIRMED, &statement, why);
    if (r == 0)
        r = bind_u64(statement, 1, volume->version);
    if (r == 0)
        r = bind_u64(statement, 2, volume->epoch + 1);
    if (r == 0)
        r = bind_u64(statement, 3, after.state);
    if (r == 0)
        r = bind_blob(statement, 4, sealed.data, sealed.size);
    return r < 0 ? r : store_step(store, statement, why);
}

int volume_each(struct store *store, int (*each)(void *context, const char *resource), void *context,
                struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_VOLUME_LIST, &statement, why);

    if (r < 0)
        return r;
    while ((r = store_step(store, statement, why)) == 1) {
        r = each(context, (const char *)sqlite3_column_text(statement, 0));
        if (r < 0)
            break;
    }
    (void)sqlite3_reset(statement);
    return r;
}
