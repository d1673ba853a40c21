/* The SQLite file. Its contents are ours unless somebody else could write the disk. */
#include "broker/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

#define APPLICATION_ID 0x50535442 /* "PSTB" */
#define SCHEMA_VERSION 3
#define BUSY_TIMEOUT_MS 5000
#define MAX_PATH 1024

struct store {
    sqlite3 *database;
    char path[MAX_PATH];
    sqlite3_stmt *statements[STORE_STATEMENTS];
};

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE policy (name TEXT PRIMARY KEY, document TEXT NOT NULL, manifests BLOB NOT NULL) STRICT;"
    "CREATE TABLE chip (chip_id BLOB NOT NULL, tcb INTEGER NOT NULL, certificate BLOB NOT NULL, intermediate BLOB,"
    " PRIMARY KEY (chip_id, tcb)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE manifest (sha256 BLOB PRIMARY KEY, envelope BLOB NOT NULL) STRICT;"
    "CREATE TABLE volume (version INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, kind INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, policy TEXT, state INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, pending BLOB) STRICT;"
    "CREATE INDEX volume_resource ON volume (resource, version);"
    "CREATE INDEX volume_policy ON volume (policy, version);"
    "CREATE TABLE release (version INTEGER NOT NULL, report_id BLOB NOT NULL, key BLOB NOT NULL,"
    " request TEXT NOT NULL, time INTEGER NOT NULL, state INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, confirmed INTEGER NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (version, report_id))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX release_seen ON release (version, seen);"
    "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, request TEXT NOT NULL,"
    " line TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE INDEX log_request ON log (request);"
    "CREATE TABLE refused (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, request TEXT NOT NULL,"
    " line TEXT NOT NULL) STRICT;"
    "CREATE INDEX refused_request ON refused (request);"
    "PRAGMA application_id=1347638338;"
    "PRAGMA user_version=3;"
    "COMMIT;";

static const char *const texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    /* AUTOINCREMENT: a version is never given twice, even after a removal. */
    [STORE_VOLUME_INSERT] = ("INSERT INTO volume (resource, kind, sealed, policy, state, generation, epoch)"
                             " VALUES (?1, ?5, x'', ?2, ?3, ?4, 0)"),
    [STORE_VOLUME_SEAL] = "UPDATE volume SET sealed = ?2 WHERE version = ?1",
    [STORE_VOLUME_FIND] = ("SELECT v.version, v.sealed, p.document, v.state, v.generation, v.epoch, v.pending, v.kind,"
                           " v.policy, p.manifests FROM volume v LEFT JOIN policy p ON p.name = v.policy"
                           " WHERE v.resource = ?1 ORDER BY v.version DESC LIMIT 1"),
    [STORE_VOLUME_OF_POLICY] = ("SELECT version, sealed, state, kind, resource FROM volume"
                                " WHERE policy = ?1 AND version > ?2 ORDER BY version LIMIT 1"),
    [STORE_VOLUME_LIST] = "SELECT DISTINCT resource FROM volume ORDER BY resource",
    [STORE_VOLUME_COUNT] = "SELECT count(*) FROM volume WHERE resource = ?1",
    [STORE_VOLUME_DELETE] = "DELETE FROM volume WHERE resource = ?1",
    [STORE_VOLUME_DELETE_VERSION] = "DELETE FROM volume WHERE resource = ?1 AND version = ?2",
    [STORE_VOLUME_POLICY] = "UPDATE volume SET policy = ?2, sealed = ?3 WHERE version = ?1",
    [STORE_VOLUME_RELEASED] = "UPDATE volume SET generation = ?2, pending = ?3 WHERE version = ?1",
    [STORE_VOLUME_CONFIRMED] = ("UPDATE volume SET epoch = ?2, state = ?3, sealed = ?4, pending = NULL"
                                " WHERE version = ?1"),
    [STORE_VOLUME_EPOCH] = "UPDATE volume SET epoch = ?2 WHERE version = ?1",
    [STORE_VOLUME_ROTATED] = "UPDATE volume SET sealed = ?2, state = ?3 WHERE version = ?1",
    [STORE_VOLUME_DELETE_OLDER] = "DELETE FROM volume WHERE resource = ?1 AND version < ?2",
    [STORE_POLICY_FIND] = "SELECT document, manifests FROM policy WHERE name = ?1",
    [STORE_POLICY_PUT] = "INSERT OR REPLACE INTO policy (name, document, manifests) VALUES (?1, ?2, ?3)",
    [STORE_POLICY_DELETE] = ("DELETE FROM policy WHERE name = ?1"
                             " AND NOT EXISTS (SELECT 1 FROM volume WHERE policy = ?1)"),
    [STORE_POLICY_LIST] = ("SELECT p.name, p.document, length(p.manifests) / 32,"
                           " (SELECT count(DISTINCT resource) FROM volume WHERE policy = p.name)"
                           " FROM policy p ORDER BY p.name"),
    [STORE_MANIFEST_FIND] = "SELECT envelope FROM manifest WHERE sha256 = ?1",
    [STORE_MANIFEST_PUT] = "INSERT OR IGNORE INTO manifest (sha256, envelope) VALUES (?1, ?2)",
    [STORE_MANIFEST_TRIM] = ("DELETE FROM manifest WHERE NOT EXISTS (SELECT 1 FROM policy"
                             " WHERE instr(policy.manifests, manifest.sha256) > 0)"),
    [STORE_CHIP_FIND] = "SELECT certificate, intermediate FROM chip WHERE chip_id = ?1 AND tcb = ?2",
    [STORE_CHIP_PUT] = ("INSERT OR REPLACE INTO chip (chip_id, tcb, certificate, intermediate)"
                        " VALUES (?1, ?2, ?3, ?4)"),
    [STORE_CHIP_LIST] = "SELECT chip_id, tcb FROM chip ORDER BY chip_id, tcb",
    [STORE_RELEASE_FIND] = ("SELECT key, state, generation, epoch, confirmed FROM release"
                            " WHERE version = ?1 AND report_id = ?2"),
    [STORE_RELEASE_INSERT] = ("INSERT INTO release (version, report_id, key, request, time, state, generation, epoch,"
                              " confirmed, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?5)"),
    [STORE_RELEASE_CONFIRM] = "UPDATE release SET confirmed = 1, seen = ?3 WHERE version = ?1 AND report_id = ?2",
    [STORE_RELEASE_RENEW] = "UPDATE release SET seen = ?3 WHERE version = ?1 AND report_id = ?2",
    [STORE_RELEASE_LIST] = ("SELECT version, report_id, generation, epoch, confirmed, time, seen FROM release"
                            " WHERE version IN (SELECT version FROM volume WHERE resource = ?1) AND seen > ?2"
                            " ORDER BY seen DESC"),
    /* Bounded: a volume may have had thousands of launches within its lease, and each release asks. */
    [STORE_RELEASE_LIVE] = ("SELECT count(*) FROM (SELECT 1 FROM release WHERE version = ?1 AND seen > ?2"
                            " AND report_id <> ?3 LIMIT 100)"),
    [STORE_RELEASE_ORPHANS] = ("SELECT request FROM release WHERE request NOT IN (SELECT request FROM log) LIMIT 1"),
    [STORE_LOG_LAST] = "SELECT id, hash FROM log ORDER BY id DESC LIMIT 1",
    [STORE_LOG_INSERT] = "INSERT INTO log (id, time, request, line, hash) VALUES (?4, ?1, ?2, ?3, ?5)",
    [STORE_LOG_CHAIN] = "SELECT id, line, hash, request FROM log ORDER BY id",
    [STORE_LOG_RELEASED] = "SELECT 1 FROM release WHERE version = ?1 AND report_id = ?2 AND request = ?3",
    [STORE_REFUSED_INSERT] = "INSERT INTO refused (time, request, line) VALUES (?1, ?2, ?3)",
    [STORE_REFUSED_TRIM] = "DELETE FROM refused WHERE id <= ?1",
    [STORE_LOG_ALL] = "SELECT time, line FROM log UNION ALL SELECT time, line FROM refused ORDER BY time",
    [STORE_LOG_REQUEST] = ("SELECT time, line FROM log WHERE request = ?1 "
                           "UNION ALL SELECT time, line FROM refused WHERE request = ?1 ORDER BY time"),
};

static const struct {
    int code; /* SQLite's primary result code */
    int error;
    const char *text;
} failures[] = {
    { SQLITE_FULL, -ENOSPC, "no space is left" },
    { SQLITE_READONLY, -EROFS, "cannot be written: it is read-only" },
    { SQLITE_PERM, -EACCES, "permission denied" },
    { SQLITE_BUSY, -EBUSY, "another process holds it" },
    { SQLITE_LOCKED, -EBUSY, "another process holds it" },
    { SQLITE_CORRUPT, -EBADMSG, "is damaged" },
    { SQLITE_NOTADB, -EBADMSG, "is not a broker's store" },
    { SQLITE_NOMEM, -ENOMEM, "no memory is left" },
};

static int failed(const struct store *store, int code, struct reason *why)
{
    int error;

    for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
        if ((code & 0xff) == failures[i].code)
            return reason_set(why, failures[i].error, "%s: %s", store->path, failures[i].text);
    /* Of its own errors SQLITE_IOERR and SQLITE_CANTOPEN, SQLite knows what the system said. */
    error = sqlite3_system_errno(store->database);
    if (error == ENOSPC)
        return reason_set(why, -ENOSPC, "%s: no space is left", store->path);
    if (!error || error == ENOENT) /* of a file beside the store */
        return reason_set(why, -EIO, "%s: %s", store->path, sqlite3_errstr(code));
    return reason_set(why, -error, "%s: %s", store->path, strerror(error));
}

static int execute(struct store *store, const char *text, struct reason *why)
{
    int code = sqlite3_exec(store->database, text, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : failed(store, code, why);
}

static int open_database(const char *path, int flags, struct store **ret_store, struct reason *why)
{
    CLEANUP(store_close) struct store *store = calloc(1, sizeof(*store));
    int code;

    if (!store)
        return -ENOMEM;
    if (strlen(path) >= sizeof(store->path))
        return reason_set(why, -ENAMETOOLONG, "%s: the name is too long", path);
    memcpy(store->path, path, strlen(path) + 1);
    code = sqlite3_open_v2(path, &store->database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return failed(store, code, why);
    (void)sqlite3_extended_result_codes(store->database, 1);
    (void)sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(store->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(store->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(store->database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(store->database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    *ret_store = store;
    store = NULL;
    return 0;
}

static int pragma(struct store *store, const char *text, int *ret_value, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->database, text, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : failed(store, code, why);
}

int store_create(const char *path, struct reason *why)
{
    CLEANUP(store_close) struct store *store = NULL;
    int r = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &store, why);

    return r < 0 ? r : execute(store, schema, why);
}

void store_remove(const char *path)
{
    static const char *const endings[] = { "", "-wal", "-shm" };
    char name[MAX_PATH + 8];

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static int check_format(struct store *store, struct reason *why)
{
    int application = 0, version = 0;
    int r = pragma(store, "PRAGMA application_id", &application, why);

    if (r == 0)
        r = pragma(store, "PRAGMA user_version", &version, why);
    if (r < 0)
        return r;
    if (application != APPLICATION_ID)
        return reason_set(why, -EBADMSG, "%s: is not a broker's store", store->path);
    if (version != SCHEMA_VERSION)
        return reason_set(why, -EBADMSG, "%s: is a store of version %d, this program knows version %d", store->path,
                          version, SCHEMA_VERSION);
    return 0;
}

int store_open(const char *path, enum store_access access, struct store **ret_store, struct reason *why)
{
    CLEANUP(store_close) struct store *store = NULL;
    int r = open_database(path, access == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, &store, why);

    /* Whether it can be written is found out here, not at the first decision. */
    if (r == 0 && access == STORE_WRITE && sqlite3_db_readonly(store->database, "main") == 1)
        r = failed(store, SQLITE_READONLY, why);
    if (r == 0)
        r = check_format(store, why);
    if (r == 0 && access == STORE_WRITE)
        r = execute(store, "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;", why);
    if (r == 0 && access == STORE_WRITE)
        r = store_run(store, STORE_BEGIN, why);
    if (r < 0)
        return r;
    store_rollback(store);
    *ret_store = store;
    store = NULL;
    return 0;
}

int store_copy(struct store *store, const char *path, struct reason *why)
{
    CLEANUP(store_close) struct store *copy = NULL;
    int r = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &copy, why);
    sqlite3_backup *backup;
    int code;

    if (r < 0)
        return r;
    backup = sqlite3_backup_init(copy->database, "main", store->database, "main");
    code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(copy->database);
    if (backup && code == SQLITE_DONE)
        code = sqlite3_backup_finish(backup);
    else if (backup)
        (void)sqlite3_backup_finish(backup);
    if (code == SQLITE_OK)
        r = check_format(copy, why);
    else
        r = failed(copy, code, why);
    if (r < 0)
        store_remove(path);
    return r;
}

void store_close(struct store **store)
{
    if (!*store)
        return;
    for (size_t i = 0; i < STORE_STATEMENTS; i++)
        (void)sqlite3_finalize((*store)->statements[i]);
    (void)sqlite3_close_v2((*store)->database);
    free(*store);
    *store = NULL;
}

int store_statement(struct store *store, enum store_statement which, sqlite3_stmt **ret_statement, struct reason *why)
{
    sqlite3_stmt **statement = &store->statements[which];
    int code;

    if (!*statement) {
        code = sqlite3_prepare_v3(store->database, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
        if (code != SQLITE_OK)
            return failed(store, code, why);
    }
    (void)sqlite3_reset(*statement);
    (void)sqlite3_clear_bindings(*statement);
    *ret_statement = *statement;
    return 0;
}

int store_step(struct store *store, sqlite3_stmt *statement, struct reason *why)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    (void)sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0 : failed(store, code, why);
}

int store_run(struct store *store, enum store_statement which, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, which, &statement, why);

    return r < 0 ? r : store_step(store, statement, why);
}

void store_rollback(struct store *store)
{
    if (store_run(store, STORE_ROLLBACK, NULL) < 0)
        return; /* SQLite has done so */
}

uint64_t store_last_row(const struct store *store)
{
    return (uint64_t)sqlite3_last_insert_rowid(store->database);
}

unsigned store_changed(const struct store *store)
{
    return (unsigned)sqlite3_changes(store->database);
}
