/* Rows of the table of releases. */
#include "broker/releases.h"

#include <errno.h>
#include <string.h>

static bool bind_u64(sqlite3_stmt *statement, int place, uint64_t value)
{
    return sqlite3_bind_int64(statement, place, (sqlite3_int64)value) == SQLITE_OK;
}

static bool bind_blob(sqlite3_stmt *statement, int place, const void *data, size_t size)
{
    return sqlite3_bind_blob64(statement, place, data, size, SQLITE_STATIC) == SQLITE_OK;
}

static bool take_row(sqlite3_stmt *statement, struct release_row *row)
{
    const void *key = sqlite3_column_blob(statement, 0);

    if (!key || sqlite3_column_bytes(statement, 0) != sizeof(row->key))
        return false;
    memcpy(row->key, key, sizeof(row->key));
    row->state = (enum record_state)sqlite3_column_int(statement, 1);
    row->generation = (uint64_t)sqlite3_column_int64(statement, 2);
    row->epoch = (uint64_t)sqlite3_column_int64(statement, 3);
    row->confirmed = sqlite3_column_int(statement, 4) != 0;
    return true;
}

int release_find(struct store *store, uint64_t version, const uint8_t report_id[REPORT_ID_BYTES],
                 struct release_row *ret_row, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    bool good;
    int r = store_statement(store, STORE_RELEASE_FIND, &statement, why);

    if (r < 0)
        return r;
    if (!bind_u64(statement, 1, version) || !bind_blob(statement, 2, report_id, REPORT_ID_BYTES))
        return -ENOMEM;
    r = store_step(store, statement, why);
    if (r <= 0)
        return r;
    good = take_row(statement, ret_row);
    (void)sqlite3_reset(statement);
    return good ? 1 : reason_set(why, -EBADMSG, "a row of the table of releases holds no key");
}

int release_add(struct store *store, const struct entry *entry, const struct release_row *row, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_RELEASE_INSERT, &statement, why);

    if (r < 0)
        return r;
    if (!bind_u64(statement, 1, entry->version) || !bind_blob(statement, 2, entry->report_id, REPORT_ID_BYTES) ||
        !bind_blob(statement, 3, row->key, sizeof(row->key)) ||
        sqlite3_bind_text(statement, 4, entry->request, -1, SQLITE_STATIC) != SQLITE_OK ||
        !bind_u64(statement, 5, entry_ms(entry)) || !bind_u64(statement, 6, row->state) ||
        !bind_u64(statement, 7, row->generation) || !bind_u64(statement, 8, row->epoch))
        return -ENOMEM;
    r = store_step(store, statement, why);
    (void)sqlite3_clear_bindings(statement);
    return r;
}

/* A statement about one launch that moves its lease to the entry's time. */
static int touch(struct store *store, enum store_statement which, const struct entry *entry, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, which, &statement, why);

    if (r < 0)
        return r;
    if (!bind_u64(statement, 1, entry->version) || !bind_blob(statement, 2, entry->report_id, REPORT_ID_BYTES) ||
        !bind_u64(statement, 3, entry_ms(entry)))
        return -ENOMEM;
    return store_step(store, statement, why);
}

int release_confirm(struct store *store, const struct entry *entry, struct reason *why)
{
    return touch(store, STORE_RELEASE_CONFIRM, entry, why);
}

int release_renew(struct store *store, const struct entry *entry, struct reason *why)
{
    return touch(store, STORE_RELEASE_RENEW, entry, why);
}

int release_count_live(struct store *store, const struct entry *entry, uint64_t lease_ms, unsigned *ret_count,
                       struct reason *why)
{
    uint64_t at = entry_ms(entry);
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_RELEASE_LIVE, &statement, why);

    if (r < 0)
        return r;
    if (!bind_u64(statement, 1, entry->version) || !bind_u64(statement, 2, at > lease_ms ? at - lease_ms : 0) ||
        !bind_blob(statement, 3, entry->report_id, REPORT_ID_BYTES))
        return -ENOMEM;
    r = store_step(store, statement, why);
    if (r < 0)
        return r;
    *ret_count = (unsigned)sqlite3_column_int(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}
