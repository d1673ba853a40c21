/* Rows of the tables of policies and manifests; whoever can write the store controls what is read. */
#include "broker/policies.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "broker/request.h"
#include "broker/seal.h"

#define MAX_NAME_BYTES 64

void policy_row_free(struct policy_row *row)
{
    buffer_free(&row->document);
    buffer_free(&row->manifests);
}

bool policy_name_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t size = strlen(name);

    return request_resource_valid(name) ||
           (size && size <= MAX_NAME_BYTES && name[0] != '.' && strspn(name, allowed) == size);
}

static int bound(int code)
{
    return code == SQLITE_OK ? 0 : -ENOMEM;
}

/* A statement whose first parameter is a text that lives until it was run. */
static int prepare(struct store *store, enum store_statement which, const char *name, sqlite3_stmt **ret_statement,
                   struct reason *why)
{
    int r = store_statement(store, which, ret_statement, why);

    return r < 0 ? r : bound(sqlite3_bind_text(*ret_statement, 1, name, -1, SQLITE_STATIC));
}

static void take_column(sqlite3_stmt *statement, int column, struct buffer *to)
{
    const void *data = sqlite3_column_blob(statement, column);

    if (data)
        buffer_add(to, data, (size_t)sqlite3_column_bytes(statement, column));
}

int policies_find(struct store *store, const char *name, struct policy_row *ret_row, struct reason *why)
{
    CLEANUP(policy_row_free) struct policy_row row = POLICY_ROW_NONE;
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_POLICY_FIND, name, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    if (r == 0)
        return reason_set(why, -ENODATA, "%s: there is no policy of that name; postern-broker policy set makes one",
                          name);
    take_column(statement, 0, &row.document);
    take_column(statement, 1, &row.manifests);
    (void)sqlite3_reset(statement);
    if (buffer_error(&row.document) < 0 || buffer_error(&row.manifests) < 0)
        return -ENOMEM;
    *ret_row = row;
    row = POLICY_ROW_NONE;
    return 0;
}

static int write_sealed(struct store *store, uint64_t version, const struct buffer *sealed, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_VOLUME_SEAL, &statement, why);

    if (r == 0)
        r = bound(sqlite3_bind_int64(statement, 1, (sqlite3_int64)version));
    if (r == 0)
        r = bound(sqlite3_bind_blob64(statement, 2, sealed->data, sealed->size, SQLITE_STATIC));
    return r < 0 ? r : store_step(store, statement, why);
}

/* Seals the record of the row that the statement is at for the policy `after` instead of `before`. */
static int seal_row(struct store *store, const struct secret *kek, sqlite3_stmt *statement,
                    const struct policy_row *before, const struct policy_row *after, struct reason *why)
{
    CLEANUP_BUFFER struct buffer from = BUFFER_EMPTY, name = BUFFER_EMPTY, to = BUFFER_EMPTY;
    struct seal_context old, new;
    int r;

    take_column(statement, 1, &from);
    take_column(statement, 4, &name);
    old = (struct seal_context){ .resource = buffer_text(&name),
                                 .version = (uint64_t)sqlite3_column_int64(statement, 0),
                                 .state = (uint8_t)sqlite3_column_int(statement, 2),
                                 .kind = (uint8_t)sqlite3_column_int(statement, 3),
                                 .policy = &before->document,
                                 .manifests = &before->manifests };
    new = old;
    new.policy = &after->document;
    new.manifests = &after->manifests;
    (void)sqlite3_reset(statement);
    r = buffer_error(&from) < 0 || buffer_error(&name) < 0
            ? -ENOMEM
            : seal_change(kek, &old, &new, from.data, from.size, &to);
    if (r == -EBADMSG)
        return reason_set(why, r, "%s: its record does not open with this broker's key, under this policy and state",
                          buffer_text(&name));
    return r < 0 ? r : write_sealed(store, old.version, &to, why);
}

static int seal_all(struct store *store, const struct secret *kek, const char *name, const struct policy_row *before,
                    const struct policy_row *after, struct reason *why)
{
    sqlite3_int64 version = 0;

    for (;;) {
        sqlite3_stmt *statement = NULL;
        int r = prepare(store, STORE_VOLUME_OF_POLICY, name, &statement, why);

        if (r == 0)
            r = bound(sqlite3_bind_int64(statement, 2, version));
        if (r == 0)
            r = store_step(store, statement, why);
        if (r <= 0)
            return r;
        version = sqlite3_column_int64(statement, 0);
        r = seal_row(store, kek, statement, before, after, why);
        if (r < 0)
            return r;
    }
}

static int trim_manifests(struct store *store, struct reason *why)
{
    return store_run(store, STORE_MANIFEST_TRIM, why);
}

int policies_put(struct store *store, const struct secret *kek, const char *name, const struct policy_row *row,
                 struct reason *why)
{
    CLEANUP(policy_row_free) struct policy_row before = POLICY_ROW_NONE;
    sqlite3_stmt *statement = NULL;
    int r = policies_find(store, name, &before, NULL);

    if (r < 0 && r != -ENODATA)
        return r;
    if (row->document.size > POLICY_MAX_BYTES)
        return reason_set(why, -E2BIG, "%s: the policy would have %zu bytes, at most %u are accepted", name,
                          row->document.size, POLICY_MAX_BYTES);
    if (row->manifests.size > POLICY_MAX_MANIFESTS * SHA256_BYTES)
        return reason_set(why, -E2BIG, "%s: at most %u manifests count for a policy; policy set starts it anew", name,
                          POLICY_MAX_MANIFESTS);
    r = seal_all(store, kek, name, &before, row, why);
    if (r == 0)
        r = prepare(store, STORE_POLICY_PUT, name, &statement, why);
    if (r == 0)
        r = bound(sqlite3_bind_text(statement, 2, buffer_text(&row->document), -1, SQLITE_STATIC));
    if (r == 0)
        r = bound(row->manifests.size ? sqlite3_bind_blob64(statement, 3, row->manifests.data, row->manifests.size,
                                                            SQLITE_STATIC)
                                      : sqlite3_bind_zeroblob(statement, 3, 0));
    if (r == 0)
        r = store_step(store, statement, why);
    return r < 0 ? r : trim_manifests(store, why);
}

int policies_remove(struct store *store, const char *name, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = prepare(store, STORE_POLICY_DELETE, name, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    if (!store_changed(store))
        return reason_set(why, -ENODATA, "%s: there is no policy of that name that nothing needs", name);
    return trim_manifests(store, why);
}

int policies_each(struct store *store, int (*each)(void *context, const struct policy_summary *summary), void *context,
                  struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_POLICY_LIST, &statement, why);

    if (r < 0)
        return r;
    while ((r = store_step(store, statement, why)) == 1) {
        const struct policy_summary summary = { .name = (const char *)sqlite3_column_text(statement, 0),
                                                .document = (const char *)sqlite3_column_text(statement, 1),
                                                .manifests = (unsigned)sqlite3_column_int(statement, 2),
                                                .resources = (unsigned)sqlite3_column_int(statement, 3) };

        r = each(context, &summary);
        if (r < 0)
            break;
    }
    (void)sqlite3_reset(statement);
    return r;
}

int policies_keep_manifest(struct store *store, const void *envelope, size_t size, uint8_t ret_digest[SHA256_BYTES],
                           struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_MANIFEST_PUT, &statement, why);

    if (r == 0 && EVP_Digest(envelope, size, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        r = -ENOMEM;
    if (r == 0)
        r = bound(sqlite3_bind_blob(statement, 1, ret_digest, SHA256_BYTES, SQLITE_STATIC));
    if (r == 0)
        r = bound(sqlite3_bind_blob64(statement, 2, envelope, size, SQLITE_STATIC));
    if (r == 0)
        r = store_step(store, statement, why);
    if (statement)
        (void)sqlite3_clear_bindings(statement);
    return r;
}

int policies_find_manifest(struct store *store, const uint8_t digest[SHA256_BYTES], struct buffer *to,
                           struct reason *why)
{
    uint8_t found[SHA256_BYTES];
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_MANIFEST_FIND, &statement, why);

    if (r == 0)
        r = bound(sqlite3_bind_blob(statement, 1, digest, SHA256_BYTES, SQLITE_STATIC));
    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    if (r == 1)
        take_column(statement, 0, to);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (buffer_error(to) < 0 || EVP_Digest(buffer_text(to), to->size, found, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    return memcmp(found, digest, sizeof(found)) == 0
               ? 0
               : reason_set(why, -EBADMSG, "a manifest of the policy is not in the store, or not what it was");
}
