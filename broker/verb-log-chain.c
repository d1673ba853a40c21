/* log verify, log export: the chain of decisions, for whoever has to believe it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/report.h"
#include "base/encode.h"
#include "base/json.h"
#include "broker/log-chain.h"
#include "broker/verbs.h"

#define MAX_LINE_BYTES 16384

/* The chain as far as it has been followed. */
struct chain {
    uint64_t rows;
    uint8_t hash[SHA256_BYTES];
    uint64_t releases;
    bool seen_head; /* the one that was asked for */
};

/* What a line says about a release. */
struct released {
    bool first; /* this launch got this volume for the first time */
    uint64_t version;
    uint8_t report_id[REPORT_ID_BYTES];
};

static int read_line(const char *line, struct released *ret_released, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    const char *event = "", *reason = "";
    struct json_reader reader;
    int r = json_parse(line, strlen(line), MAX_LINE_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    (void)json_read_string(&reader, "event", JSON_REQUIRED, MAX_LINE_BYTES, &event);
    (void)json_read_string(&reader, "reason", JSON_OPTIONAL, MAX_LINE_BYTES, &reason);
    ret_released->first = strcmp(event, "release") == 0 && strcmp(reason, "ok") == 0;
    if (ret_released->first) {
        (void)json_read_u64(&reader, "version", JSON_REQUIRED, 1, INT64_MAX, &ret_released->version);
        (void)json_read_hex(&reader, "report_id", JSON_REQUIRED, ret_released->report_id, REPORT_ID_BYTES);
    }
    return status.error;
}

/* Whether the table of releases has the row of that request. */
static int check_release(struct store *store, uint64_t id, const char *request, const struct released *released,
                         struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_LOG_RELEASED, &statement, why);

    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)released->version) != SQLITE_OK ||
        sqlite3_bind_blob(statement, 2, released->report_id, REPORT_ID_BYTES, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(statement, 3, request, -1, SQLITE_STATIC) != SQLITE_OK)
        return -ENOMEM;
    r = store_step(store, statement, why);
    (void)sqlite3_reset(statement);
    if (r == 0)
        return reason_set(why, -EKEYREJECTED,
                          "row %llu says that request %s was released, the table of releases does not",
                          (unsigned long long)id, request);
    return r < 0 ? r : 0;
}

static int follow(struct store *store, sqlite3_stmt *row, struct chain *chain, const uint8_t *head, struct reason *why)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    const char *line = (const char *)sqlite3_column_text(row, 1);
    const uint8_t *hash = sqlite3_column_blob(row, 2);
    uint8_t wanted[SHA256_BYTES];
    struct released released = { .first = false };
    int r;

    if (id != chain->rows + 1)
        return reason_set(why, -EKEYREJECTED, "row %llu follows row %llu: rows are missing", (unsigned long long)id,
                          (unsigned long long)chain->rows);
    r = log_chain_hash(chain->hash, id, line, strlen(line), wanted);
    if (r < 0)
        return r;
    if (!hash || sqlite3_column_bytes(row, 2) != SHA256_BYTES || memcmp(hash, wanted, SHA256_BYTES) != 0)
        return reason_set(why, -EKEYREJECTED, "row %llu is not what its hash says: it, or one before it, was changed",
                          (unsigned long long)id);
    chain->rows = id;
    memcpy(chain->hash, wanted, sizeof(wanted));
    chain->seen_head = chain->seen_head || (head && memcmp(head, wanted, sizeof(wanted)) == 0);
    r = read_line(line, &released, why);
    if (r < 0 || !released.first)
        return r;
    chain->releases++;
    return check_release(store, id, (const char *)sqlite3_column_text(row, 3), &released, why);
}

/* Releases without a row of the log. */
static int check_orphans(struct store *store, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_RELEASE_ORPHANS, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r == 1)
        r = reason_set(why, -EKEYREJECTED, "request %s was released, and the log has no row of it",
                       (const char *)sqlite3_column_text(statement, 0));
    (void)sqlite3_reset(statement);
    return r;
}

static int verify(struct store *store, const uint8_t *head, struct chain *chain, struct reason *why)
{
    sqlite3_stmt *row = NULL;
    int r = store_statement(store, STORE_LOG_CHAIN, &row, why);

    if (r < 0)
        return r;
    while ((r = store_step(store, row, why)) == 1) {
        r = follow(store, row, chain, head, why);
        if (r < 0)
            break;
    }
    (void)sqlite3_reset(row);
    return r < 0 ? r : check_orphans(store, why);
}

static int exit_code_of(int error)
{
    return error == -EKEYREJECTED ? BROKER_EXIT_REFUSED : BROKER_EXIT_STATE;
}

static int run_verify(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL;
    uint8_t head[SHA256_BYTES];
    bool has_head = false;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("head", "HEX", "a head that was printed before: it has to be in the chain", OPTION_HEX, head,
               .size = sizeof(head), .given = &has_head),
    };
    CLEANUP(store_close) struct store *store = NULL;
    char text[HEX_TEXT_BYTES(SHA256_BYTES)];
    struct chain chain = { .rows = 0 };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r == 0)
        r = verify(store, has_head ? head : NULL, &chain, &why);
    if (r == 0 && has_head && !chain.seen_head)
        r = reason_set(&why, -EKEYREJECTED,
                       "that head is not in the chain: the log's end was cut off, or this is an older store");
    if (r < 0)
        return verb_fail(exit_code_of(r), &why, r);
    hex_encode(chain.hash, sizeof(chain.hash), text);
    printf("%llu rows, %llu releases, each with its row; head %s\n", (unsigned long long)chain.rows,
           (unsigned long long)chain.releases, text);
    return COMMAND_OK;
}

static int run_export(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL;
    const struct option_row rows[] = { VERB_DIRECTORY(&directory) };
    CLEANUP(store_close) struct store *store = NULL;
    char text[HEX_TEXT_BYTES(SHA256_BYTES)];
    struct reason why = { "" };
    sqlite3_stmt *row = NULL;
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r == 0)
        r = store_statement(store, STORE_LOG_CHAIN, &row, &why);
    while (r == 0 && (r = store_step(store, row, &why)) == 1 && sqlite3_column_bytes(row, 2) == SHA256_BYTES) {
        hex_encode(sqlite3_column_blob(row, 2), SHA256_BYTES, text);
        printf("%lld %s %s\n", (long long)sqlite3_column_int64(row, 0), text,
               (const char *)sqlite3_column_text(row, 1));
        r = 0;
    }
    if (r == 1)
        r = reason_set(&why, -EKEYREJECTED, "a row has no hash: postern-broker log verify tells more");
    return r < 0 ? verb_fail(exit_code_of(r), &why, r) : COMMAND_OK;
}

const struct command verb_log_verify = {
    .program = VERB_PROGRAM,
    .name = "log verify",
    .summary = "Follows the chain of the log's hashes, and holds it against the releases that were made.",
    .usage = "--dir DIR [--head HEX]",
    .example = "  postern-broker log verify --dir /var/lib/broker\n",
    .run = run_verify,
};

const struct command verb_log_export = {
    .program = VERB_PROGRAM,
    .name = "log export",
    .summary = "Prints the log for others: number, hash and line of each row, as the chain has them.",
    .usage = "--dir DIR",
    .example = "  postern-broker log export --dir /var/lib/broker\n",
    .run = run_export,
};
