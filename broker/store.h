/*
 * The store: one SQLite file in WAL mode, synchronous=FULL, so that what was committed is on the disk. This file is the
 * database itself; volumes.h and journal.h are what lies in it.
 *
 *     volume   resource, version, kind, sealed record (seal.h), the name of its policy (NULL: nobody may have it),
 *              state, generation, epoch, REPORT_ID of the launch that the next epoch was given to; of several versions
 *              the highest counts
 *     policy   documents by name, each with the SHA-256 of the manifests that count for it (policies.h)
 *     manifest signed manifests by their SHA-256
 *     chip     certificates by chip id and TCB (chips.h)
 *     release  one row for each volume and REPORT_ID that has got it (releases.h)
 *     log      decisions about guests whose evidence verified, and what the operator changed; kept, and hash-chained
 *     refused  what was refused before that: anybody can cause these, so only the newest STORE_MAX_REFUSED are kept
 *
 * The command line changes the store while a server runs on it; SQLite arbitrates.
 */
#pragma once

#include <sqlite3.h>

#include "base/base.h"
#include "base/reason.h"

#define STORE_FILE "store.db"
#define STORE_MAX_REFUSED 10000

struct store;

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_VOLUME_INSERT,
    STORE_VOLUME_SEAL,
    STORE_VOLUME_FIND,
    STORE_VOLUME_OF_POLICY,
    STORE_VOLUME_LIST,
    STORE_VOLUME_COUNT,
    STORE_VOLUME_DELETE,
    STORE_VOLUME_DELETE_VERSION,
    STORE_VOLUME_POLICY,
    STORE_VOLUME_RELEASED,
    STORE_VOLUME_CONFIRMED,
    STORE_VOLUME_EPOCH,
    STORE_VOLUME_ROTATED,
    STORE_VOLUME_DELETE_OLDER,
    STORE_POLICY_FIND,
    STORE_POLICY_PUT,
    STORE_POLICY_DELETE,
    STORE_POLICY_LIST,
    STORE_MANIFEST_FIND,
    STORE_MANIFEST_PUT,
    STORE_MANIFEST_TRIM,
    STORE_CHIP_FIND,
    STORE_CHIP_PUT,
    STORE_CHIP_LIST,
    STORE_RELEASE_FIND,
    STORE_RELEASE_INSERT,
    STORE_RELEASE_CONFIRM,
    STORE_RELEASE_RENEW,
    STORE_RELEASE_LIST,
    STORE_RELEASE_LIVE,
    STORE_RELEASE_ORPHANS,
    STORE_LOG_LAST,
    STORE_LOG_INSERT,
    STORE_LOG_CHAIN,
    STORE_LOG_RELEASED,
    STORE_REFUSED_INSERT,
    STORE_REFUSED_TRIM,
    STORE_LOG_ALL,
    STORE_LOG_REQUEST,
    STORE_STATEMENTS,
};

/* A new, empty store. Errors as store_open(). */
int store_create(const char *path, struct reason *why) MUST_CHECK;

/* Unlinks it, with the files that SQLite keeps beside it. */
void store_remove(const char *path);

enum store_access { STORE_READ, STORE_WRITE };

/*
 * Errors: -EACCES, -EROFS, -ENOSPC, -EBUSY another process holds it, -EBADMSG not a broker's store or damaged, -EIO,
 * also when it is not there, -ENOMEM, other errnos of the system; the sentence names the file.
 */
int store_open(const char *path, enum store_access access, struct store **ret_store, struct reason *why) MUST_CHECK;

/* A copy of all that is committed, as a file of its own that nobody else can read. Errors as store_open(). */
int store_copy(struct store *store, const char *path, struct reason *why) MUST_CHECK;

void store_close(struct store **store);

/* The statement, reset, ready for binding; prepared at its first use. Errors as store_open(). */
int store_statement(struct store *store, enum store_statement which, sqlite3_stmt **ret_statement,
                    struct reason *why) MUST_CHECK;

/* One step: 1 there is a row, 0 done. Errors as store_open(). */
int store_step(struct store *store, sqlite3_stmt *statement, struct reason *why) MUST_CHECK;

/* A statement without parameters and rows. */
int store_run(struct store *store, enum store_statement which, struct reason *why) MUST_CHECK;

/* Ends a transaction without a trace; fine when SQLite has done so itself. */
void store_rollback(struct store *store);

/* The number that the last insertion gave its row. */
uint64_t store_last_row(const struct store *store);

/* Rows that the last statement changed. */
unsigned store_changed(const struct store *store);
