/* Rows of the log. */
#include "broker/log-chain.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"

int log_chain_hash(const uint8_t previous[SHA256_BYTES], uint64_t id, const void *line, size_t size,
                   uint8_t ret_hash[SHA256_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t numbers[12];
    bool ok;

    put_u64le(numbers, id);
    put_u32le(numbers + 8, (uint32_t)size);
    ok = context && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1 &&
         EVP_DigestUpdate(context, previous, SHA256_BYTES) == 1 &&
         EVP_DigestUpdate(context, numbers, sizeof(numbers)) == 1 && EVP_DigestUpdate(context, line, size) == 1 &&
         EVP_DigestFinal_ex(context, ret_hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok ? 0 : -ENOMEM;
}

/* Number and hash of the last row; zeros before the first. */
static int find_head(struct store *store, uint64_t *ret_id, uint8_t ret_hash[SHA256_BYTES], struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_LOG_LAST, &statement, why);

    if (r == 0)
        r = store_step(store, statement, why);
    if (r < 0)
        return r;
    *ret_id = 0;
    memset(ret_hash, 0, SHA256_BYTES);
    if (r == 0)
        return 0;
    *ret_id = (uint64_t)sqlite3_column_int64(statement, 0);
    r = sqlite3_column_bytes(statement, 1) == SHA256_BYTES ? 0 : -EBADMSG;
    if (r == 0)
        memcpy(ret_hash, sqlite3_column_blob(statement, 1), SHA256_BYTES);
    (void)sqlite3_reset(statement);
    return r < 0 ? reason_set(why, r, "the last row of the log has no hash: postern-broker log verify tells more") : 0;
}

int log_chain_add(struct store *store, uint64_t time_ms, const char *request, const void *line, size_t size,
                  struct reason *why)
{
    uint8_t previous[SHA256_BYTES], hash[SHA256_BYTES];
    sqlite3_stmt *statement = NULL;
    uint64_t id = 0;
    int r = find_head(store, &id, previous, why);

    if (r == 0)
        r = log_chain_hash(previous, ++id, line, size, hash);
    if (r == 0)
        r = store_statement(store, STORE_LOG_INSERT, &statement, why);
    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)time_ms) != SQLITE_OK ||
        sqlite3_bind_text(statement, 2, request, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text64(statement, 3, line, size, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 4, (sqlite3_int64)id) != SQLITE_OK ||
        sqlite3_bind_blob(statement, 5, hash, sizeof(hash), SQLITE_STATIC) != SQLITE_OK)
        return -ENOMEM;
    r = store_step(store, statement, why);
    (void)sqlite3_clear_bindings(statement);
    return r;
}
