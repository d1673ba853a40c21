/*
 * Rows of the table of volumes. Names come from operators and, in look-ups, from anybody; request_resource_valid() has
 * been asked before.
 */
#include "broker/volumes.h"

#include <errno.h>
#include <string.h>

#include "broker/seal.h"

void volume_free(struct volume *volume)
{
    buffer_free(&volume->sealed);
    buffer_free(&volume->policy);
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

/* A row without its record yet, which needs the row's number. */
static int insert_row(struct store *store, const char *resource, uint64_t *ret_version, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_INSERT, resource, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    *ret_version = store_last_row(store);
    return 0;
}

static int insert(struct store *store, const struct secret *kek, const char *resource, const struct secret *record,
                  struct reason *why)
{
    CLEANUP_BUFFER struct buffer sealed = BUFFER_EMPTY;
    sqlite3_stmt *statement = NULL;
    uint64_t version = 0;
    int r = prepare(store, STORE_VOLUME_FIND, resource, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    (void)sqlite3_reset(statement);
    if (r == 1)
        return reason_set(why, -EEXIST, "%s: a volume is registered there already; remove it first", resource);
    if (r == 0)
        r = insert_row(store, resource, &version, why);
    if (r == 0)
        r = seal_close(kek, resource, version, record, &sealed);
    if (r == 0)
        r = store_statement(store, STORE_VOLUME_SEAL, &statement, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)version) != SQLITE_OK ||
        sqlite3_bind_blob64(statement, 2, sealed.data, sealed.size, SQLITE_STATIC) != SQLITE_OK)
        return -ENOMEM;
    return store_step(store, statement, why);
}

int volume_add(struct store *store, const struct secret *kek, const char *resource, const struct secret *record,
               struct reason *why)
{
    int r = store_run(store, STORE_BEGIN, why);

    if (r < 0)
        return r;
    r = insert(store, kek, resource, record, why);
    if (r == 0)
        r = store_run(store, STORE_COMMIT, why);
    if (r < 0)
        store_rollback(store);
    return r;
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

int volume_find(struct store *store, const char *resource, struct volume *ret_volume, struct reason *why)
{
    struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_FIND, resource, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    if (r == 0)
        return not_there(resource, why);
    volume.version = (uint64_t)sqlite3_column_int64(statement, 0);
    take_column(statement, 1, &volume.sealed);
    take_column(statement, 2, &volume.policy);
    (void)sqlite3_reset(statement);
    if (buffer_error(&volume.sealed) < 0 || buffer_error(&volume.policy) < 0) {
        volume_free(&volume);
        return -ENOMEM;
    }
    *ret_volume = volume;
    return 0;
}

int volume_unseal(const struct volume *volume, const struct secret *kek, const char *resource,
                  struct secret *ret_record, struct reason *why)
{
    int r = seal_open(kek, resource, volume->version, volume->sealed.data, volume->sealed.size, ret_record);

    if (r == -EBADMSG)
        return reason_set(why, r, "%s: its record does not open with this broker's key", resource);
    return r;
}

/* Runs a statement that has to change one row. */
static int change_row(struct store *store, sqlite3_stmt *statement, const char *resource, struct reason *why)
{
    int r = store_step(store, statement, why);

    if (r < 0)
        return r;
    return store_changed(store) ? 0 : not_there(resource, why);
}

int volume_remove(struct store *store, const char *resource, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_DELETE, resource, &statement, why);

    return r < 0 ? r : change_row(store, statement, resource, why);
}

int volume_set_policy(struct store *store, const char *resource, const char *document, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_VOLUME_POLICY, resource, &statement, why);

    if (r == 0)
        r = bind_text(statement, 2, document);
    return r < 0 ? r : change_row(store, statement, resource, why);
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
