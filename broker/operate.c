/* Operations on volumes and secrets, and what all operations share. Operators choose names and files. */
#include "broker/operate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/secret-file.h"
#include "broker/entry.h"
#include "broker/log-chain.h"
#include "broker/rotation.h"
#include "broker/verbs.h"
#include "broker/volumes.h"
#include "release/record.h"

/* A registered record: three words, a key, and some numbers. */
#define MAX_RECORD_FILE_BYTES 1024
#define LEASE_MS (24u * 3600 * 1000)

static const char *state_name(enum record_state state)
{
    return state == RECORD_READY ? "ready" : state == RECORD_ROTATING ? "rotating" : "uninitialised";
}

/* What is wrong with a file is the caller's to mend, whatever it is. */
static int unacceptable(int error)
{
    return error < 0 && error != -ENOMEM ? -EINVAL : error;
}

static int read_content(const struct admin_request *request, size_t max, struct secret *ret_bytes, struct reason *why)
{
    const struct admin_file *file = admin_find_file(request, ADMIN_FILE_CONTENT);

    if (!file)
        return reason_set(why, -EINVAL, "there is no file");
    return unacceptable(secret_fd_read(file->fd, file->name, max, ret_bytes, why));
}

/* Gives the resource the policy that was named with it. */
static int name_policy(const struct operation *operation, const struct admin_request *request, const char *resource,
                       struct reason *why)
{
    if (!request->policy[0])
        return 0;
    return volume_set_policy(operation->store, operation->kek, resource, request->policy, why);
}

int operate_volume_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE, key = SECRET_NONE;
    const struct admin_file *file = admin_find_file(request, ADMIN_FILE_CONTENT);
    struct record record;
    int r = read_content(request, MAX_RECORD_FILE_BYTES, &bytes, why);

    if (r == 0) {
        r = unacceptable(record_parse(&bytes, &record, &key, why));
        if (r < 0)
            reason_prefix(why, file->name);
    }
    if (r == 0)
        r = volume_add(operation->store, operation->kek, request->resource, VOLUME_RECORD, &bytes, request->next, why);
    if (r == 0)
        r = name_policy(operation, request, request->resource, why);
    if (r < 0)
        return r;
    buffer_printf(operation->output, "%s: volume %s, %llu bytes, %s, integrity %s, %s.", request->resource,
                  record.volume_id, (unsigned long long)record.length, record.cipher, record.integrity,
                  state_name(record.state));
    return 0;
}

int operate_secret_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    int r = read_content(request, RELEASE_MAX_PAYLOAD_BYTES, &bytes, why);

    if (r == 0)
        r = volume_add(operation->store, operation->kek, request->resource, VOLUME_PLAIN, &bytes, request->next, why);
    if (r == 0)
        r = name_policy(operation, request, request->resource, why);
    if (r == 0)
        buffer_printf(operation->output, "%s: a plain secret of %zu bytes.", request->resource, bytes.size);
    return r;
}

struct listing {
    const struct operation *operation;
    bool json;
    struct reason *why;
};

/* How many launch digests the volume's policy accepts; 0 when it has none. */
static int count_allowed(const struct operation *operation, const struct volume *volume, size_t *ret_count,
                         struct reason *why)
{
    const struct policy_entry *entry = NULL;
    int r;

    *ret_count = 0;
    if (!volume->policy.size)
        return 0;
    r = policy_cache_find(operation->policies, operation->store, volume, &entry, why);
    if (r == 0)
        *ret_count = entry->policy.measurement_count + entry->launch_count;
    return r;
}

static void print_record(const struct listing *listing, const char *resource, const struct volume *volume,
                         const struct record *record, size_t allowed)
{
    struct buffer *to = listing->operation->output;

    if (listing->json)
        buffer_printf(to,
                      "{\"resource\":\"%s\",\"version\":%llu,\"volume\":\"%s\",\"bytes\":%llu,\"cipher\":\"%s\","
                      "\"integrity\":\"%s\",\"sector_size\":%u,\"generation\":%llu,\"epoch\":%llu,\"pending\":%s,"
                      "\"state\":\"%s\",\"policy\":\"%s\",\"allowed\":%zu}\n",
                      resource, (unsigned long long)volume->version, record->volume_id,
                      (unsigned long long)record->length, record->cipher, record->integrity, record->sector_size,
                      (unsigned long long)volume->generation, (unsigned long long)volume->epoch,
                      volume->pending ? "true" : "false", state_name(volume->state), volume->policy_name, allowed);
    else
        buffer_printf(to,
                      "%s  volume %s, %llu bytes, %s, integrity %s, generation %llu, epoch %llu%s, %s, %zu launches "
                      "allowed\n",
                      resource, record->volume_id, (unsigned long long)record->length, record->cipher,
                      record->integrity, (unsigned long long)volume->generation, (unsigned long long)volume->epoch,
                      volume->pending ? " (the next is pending)" : "", state_name(volume->state), allowed);
}

static void print_plain(const struct listing *listing, const char *resource, const struct volume *volume, size_t size,
                        size_t allowed)
{
    struct buffer *to = listing->operation->output;

    if (listing->json)
        buffer_printf(to,
                      "{\"resource\":\"%s\",\"version\":%llu,\"secret\":true,\"bytes\":%zu,\"generation\":%llu,"
                      "\"policy\":\"%s\",\"allowed\":%zu}\n",
                      resource, (unsigned long long)volume->version, size, (unsigned long long)volume->generation,
                      volume->policy_name, allowed);
    else
        buffer_printf(to, "%s  plain secret, %zu bytes, given to %llu launches, %zu launches allowed\n", resource, size,
                      (unsigned long long)volume->generation, allowed);
}

static int list_one(void *context, const char *resource)
{
    const struct listing *listing = context;
    const struct operation *operation = listing->operation;
    CLEANUP_SECRET struct secret bytes = SECRET_NONE, key = SECRET_NONE;
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    struct record record;
    size_t allowed = 0;
    int r = volume_find(operation->store, resource, &volume, listing->why);

    if (r == 0)
        r = volume_unseal(&volume, operation->kek, resource, &bytes, listing->why);
    if (r == 0)
        r = count_allowed(operation, &volume, &allowed, listing->why);
    if (r == 0 && volume.kind == VOLUME_RECORD)
        r = record_parse(&bytes, &record, &key, listing->why);
    if (r < 0)
        return r;
    if (volume.kind == VOLUME_RECORD)
        print_record(listing, resource, &volume, &record, allowed);
    else
        print_plain(listing, resource, &volume, bytes.size, allowed);
    return 0;
}

int operate_volume_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    struct listing listing = { operation, request->json, why };

    return volume_each(operation->store, list_one, &listing, why);
}

/* RFC 3339, in seconds. */
static void write_time(int64_t ms, char ret_text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || !strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        ret_text[0] = '\0';
}

static void print_lease(const struct admin_request *request, sqlite3_stmt *row, struct buffer *to)
{
    char id[HEX_TEXT_BYTES(REPORT_ID_BYTES)] = "", first[32], last[32];

    if (sqlite3_column_bytes(row, 1) == REPORT_ID_BYTES)
        hex_encode(sqlite3_column_blob(row, 1), REPORT_ID_BYTES, id);
    write_time(sqlite3_column_int64(row, 5), first);
    write_time(sqlite3_column_int64(row, 6), last);
    buffer_printf(to,
                  request->json ? "{\"report_id\":\"%s\",\"version\":%lld,\"generation\":%lld,\"epoch\":%lld,"
                                  "\"confirmed\":%s,\"released\":\"%s\",\"heard\":\"%s\"}\n"
                                : "%s  version %lld, generation %lld, epoch %lld, confirmed: %s, released %s, last "
                                  "heard of %s\n",
                  id, (long long)sqlite3_column_int64(row, 0), (long long)sqlite3_column_int64(row, 2),
                  (long long)sqlite3_column_int64(row, 3), sqlite3_column_int(row, 4) ? "true" : "false", first, last);
}

int operate_leases(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    uint64_t lease_ms = operation->lease_ms ? operation->lease_ms : LEASE_MS;
    struct timespec now = { 0, 0 };
    sqlite3_stmt *row = NULL;
    int64_t since;
    int r = volume_find(operation->store, request->resource, &volume, why);

    (void)clock_gettime(CLOCK_REALTIME, &now);
    since = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (int64_t)lease_ms;
    if (r == 0)
        r = store_statement(operation->store, STORE_RELEASE_LIST, &row, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_text(row, 1, request->resource, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(row, 2, since) != SQLITE_OK)
        return -ENOMEM;
    while ((r = store_step(operation->store, row, why)) == 1)
        print_lease(request, row, operation->output);
    return r;
}

/* ---- one transaction and one row */

static const struct {
    const char *event; /* NULL: nothing changes */
    bool keys;
} verbs[ADMIN_VERBS] = {
    [ADMIN_VOLUME_ADD] = { "volume-add", true },       [ADMIN_VOLUME_LIST] = { NULL, true },
    [ADMIN_VOLUME_REMOVE] = { "volume-remove", false }, [ADMIN_SECRET_ADD] = { "secret-add", true },
    [ADMIN_ALLOW] = { "allow", true },                 [ADMIN_POLICY_SET] = { "policy-set", true },
    [ADMIN_POLICY_LIST] = { NULL, false },             [ADMIN_POLICY_SHOW] = { NULL, false },
    [ADMIN_POLICY_REMOVE] = { "policy-remove", false }, [ADMIN_LEASES] = { NULL, false },
    [ADMIN_VOLUME_ROTATE] = { "volume-rotate", true },  [ADMIN_VOLUME_GROW] = { "volume-grow", true },
    [ADMIN_CHIP_ADD] = { "chip-add", false },          [ADMIN_CHIP_LIST] = { NULL, false },
};

bool operate_only_reads(const struct admin_request *request)
{
    return !verbs[request->verb].event;
}

bool operate_needs_keys(const struct admin_request *request)
{
    return verbs[request->verb].keys;
}

static int carry_out(const struct operation *operation, const struct admin_request *request, struct buffer *detail,
                     struct reason *why)
{
    switch (request->verb) {
    case ADMIN_VOLUME_ADD:
        return operate_volume_add(operation, request, why);
    case ADMIN_VOLUME_LIST:
        return operate_volume_list(operation, request, why);
    case ADMIN_VOLUME_REMOVE:
        return volume_remove(operation->store, request->resource, request->version, why);
    case ADMIN_SECRET_ADD:
        return operate_secret_add(operation, request, why);
    case ADMIN_ALLOW:
        return operate_allow(operation, request, detail, why);
    case ADMIN_POLICY_SET:
        return operate_policy_set(operation, request, why);
    case ADMIN_POLICY_LIST:
        return operate_policy_list(operation, request, why);
    case ADMIN_POLICY_SHOW:
        return operate_policy_show(operation, request, why);
    case ADMIN_POLICY_REMOVE:
        return policies_remove(operation->store, request->policy, why);
    case ADMIN_LEASES:
        return operate_leases(operation, request, why);
    case ADMIN_VOLUME_ROTATE:
        return rotation_begin(operation, request, why);
    case ADMIN_VOLUME_GROW:
        return rotation_grow(operation, request, detail, why);
    case ADMIN_CHIP_ADD:
        return operate_chip_add(operation, request, why);
    case ADMIN_CHIP_LIST:
        return operate_chip_list(operation, request, why);
    case ADMIN_VERBS:
        break;
    }
    return reason_set(why, -EINVAL, "the broker that serves does not know this verb: it is of another version");
}

static int log_change(const struct operation *operation, const struct admin_request *request,
                      const struct buffer *detail, struct reason *why)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
    const char *event = request->next ? "volume-next" : verbs[request->verb].event;
    struct entry entry;
    int r = entry_init(&entry, "");

    if (r < 0)
        return r;
    entry_write_change(&entry, event, operation->uid, request->resource[0] ? request->resource : request->policy,
                       detail->size ? buffer_text(detail) : NULL, &line);
    r = buffer_error(&line);
    return r < 0 ? r : log_chain_add(operation->store, entry_ms(&entry), entry.request, line.data, line.size, why);
}

static int change(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP_BUFFER struct buffer detail = BUFFER_EMPTY;
    int r = store_run(operation->store, STORE_BEGIN, why);

    if (r < 0)
        return r;
    r = carry_out(operation, request, &detail, why);
    if (r == 0)
        r = buffer_error(&detail);
    if (r == 0)
        r = log_change(operation, request, &detail, why);
    if (r == 0)
        r = store_run(operation->store, STORE_COMMIT, why);
    if (r < 0)
        store_rollback(operation->store);
    return r;
}

static int exit_code_of(int error)
{
    switch (error) {
    case 0:
        return COMMAND_OK;
    case -ENODATA:
    case -EINVAL:
    case -E2BIG:
    case -EEXIST:
    case -EKEYREJECTED:
        return COMMAND_MISUSE;
    default:
        return BROKER_EXIT_STATE;
    }
}

int operate(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    CLEANUP_BUFFER struct buffer unused = BUFFER_EMPTY;
    int r = operate_only_reads(request) ? carry_out(operation, request, &unused, why)
                                        : change(operation, request, why);

    if (r == 0)
        r = buffer_error(operation->output);
    if (r < 0) {
        if (!why->text[0])
            (void)reason_set(why, 0, "%s", strerror(-r));
        buffer_free(operation->output);
    }
    return exit_code_of(r);
}
