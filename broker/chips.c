/* Rows of the table of chips. What an operator adds is parsed here, and verified like anybody's when it is used. */
#include "broker/chips.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "attest/chain.h"
#include "attest/vek.h"
#include "base/cursor.h"

#define MAX_CERTIFICATES 64

static int bound(int code)
{
    return code == SQLITE_OK ? 0 : -ENOMEM;
}

/* Nobody is asked for a pass phrase. */
static int no_pass_phrase(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

struct certificates {
    X509 *all[MAX_CERTIFICATES];
    size_t count;
};

static void certificates_free(struct certificates *certificates)
{
    for (size_t i = 0; i < certificates->count; i++)
        X509_free(certificates->all[i]);
}

static void read_certificates(const void *text, size_t size, struct certificates *to)
{
    const unsigned char *at = text;
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    X509 *one = NULL;

    while (bio && to->count < MAX_CERTIFICATES && (one = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)))
        to->all[to->count++] = one;
    if (!to->count && (one = d2i_X509(NULL, &at, (long)size)))
        to->all[to->count++] = one;
    BIO_free(bio);
    ERR_clear_error();
}

static int put(struct store *store, const struct vek *vek, X509 *certificate, X509 *intermediate, struct reason *why)
{
    unsigned char *der = NULL, *ask = NULL;
    int size = i2d_X509(certificate, &der), ask_size = intermediate ? i2d_X509(intermediate, &ask) : 0;
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, STORE_CHIP_PUT, &statement, why);

    if (r == 0 && (size <= 0 || size > (int)CHAIN_MAX_CERTIFICATE_BYTES || ask_size < 0 ||
                   ask_size > (int)CHAIN_MAX_CERTIFICATE_BYTES))
        r = reason_set(why, -EINVAL, "a certificate of more than %u bytes", CHAIN_MAX_CERTIFICATE_BYTES);
    if (r == 0)
        r = bound(sqlite3_bind_blob(statement, 1, vek->hwid, sizeof(vek->hwid), SQLITE_STATIC));
    if (r == 0)
        r = bound(sqlite3_bind_int64(statement, 2, (sqlite3_int64)tcb_encode(vek->product, &vek->tcb)));
    if (r == 0)
        r = bound(sqlite3_bind_blob(statement, 3, der, size, SQLITE_STATIC));
    if (r == 0)
        r = bound(ask ? sqlite3_bind_blob(statement, 4, ask, ask_size, SQLITE_STATIC) : SQLITE_OK);
    if (r == 0)
        r = store_step(store, statement, why);
    if (statement)
        (void)sqlite3_clear_bindings(statement);
    OPENSSL_free(der);
    OPENSSL_free(ask);
    return r;
}

int chips_add(struct store *store, const void *text, size_t size, unsigned *ret_count, struct reason *why)
{
    CLEANUP(certificates_free) struct certificates certificates = { .count = 0 };
    X509 *intermediate = NULL;
    unsigned count = 0;

    read_certificates(text, size, &certificates);
    for (size_t i = 0; i < certificates.count; i++) {
        char name[64];

        certificate_common_name(certificates.all[i], name);
        if (strncmp(name, "SEV-", 4) == 0 && strcmp(name, "SEV-VCEK") != 0 && strcmp(name, "SEV-VLEK") != 0)
            intermediate = certificates.all[i];
    }
    for (size_t i = 0; i < certificates.count; i++) {
        char name[64];
        struct vek vek;
        int r;

        certificate_common_name(certificates.all[i], name);
        if (strcmp(name, "SEV-VCEK") != 0)
            continue;
        if (vek_parse(certificates.all[i], &vek, why) < 0)
            return -EINVAL;
        r = put(store, &vek, certificates.all[i], intermediate, why);
        if (r < 0)
            return r;
        count++;
    }
    if (!count)
        return reason_set(why, -EINVAL, "holds no certificate of a chip (SEV-VCEK), in PEM or DER");
    *ret_count = count;
    return 0;
}

static void add_entry(sqlite3_stmt *row, int column, enum certificate_kind kind, struct cert_table *table,
                      const uint8_t *at)
{
    size_t size = (size_t)sqlite3_column_bytes(row, column);

    if (size)
        table->entries[table->count++] = (struct certificate_entry){ .kind = kind, .data = at, .size = size };
}

int chips_find(struct store *store, const struct report *report, struct buffer *room, struct cert_table *ret_table,
               struct reason *why)
{
    struct cert_table table = { .count = 0 };
    sqlite3_stmt *row = NULL;
    size_t size;
    int r;

    if (report_signing_key(report) != SIGNING_KEY_VCEK || all_zero(report->chip_id, CHIP_ID_BYTES))
        return 0;
    r = store_statement(store, STORE_CHIP_FIND, &row, why);
    if (r == 0)
        r = bound(sqlite3_bind_blob(row, 1, report->chip_id, CHIP_ID_BYTES, SQLITE_STATIC));
    if (r == 0)
        r = bound(sqlite3_bind_int64(row, 2, (sqlite3_int64)report->reported_tcb));
    if (r == 0)
        r = store_step(store, row, why);
    if (r <= 0)
        return r;
    size = (size_t)sqlite3_column_bytes(row, 0);
    buffer_add(room, sqlite3_column_blob(row, 0), size);
    buffer_add(room, sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1));
    if (buffer_error(room) == 0) {
        add_entry(row, 0, CERTIFICATE_VCEK, &table, room->data);
        add_entry(row, 1, CERTIFICATE_ASK, &table, room->data + size);
    }
    (void)sqlite3_reset(row);
    (void)sqlite3_clear_bindings(row);
    if (buffer_error(room) < 0)
        return -ENOMEM;
    *ret_table = table;
    return 1;
}

int chips_each(struct store *store, int (*each)(void *context, const uint8_t chip_id[CHIP_ID_BYTES], uint64_t tcb),
               void *context, struct reason *why)
{
    sqlite3_stmt *row = NULL;
    int r = store_statement(store, STORE_CHIP_LIST, &row, why);

    if (r < 0)
        return r;
    while ((r = store_step(store, row, why)) == 1) {
        if (sqlite3_column_bytes(row, 0) == CHIP_ID_BYTES)
            r = each(context, sqlite3_column_blob(row, 0), (uint64_t)sqlite3_column_int64(row, 1));
        if (r < 0)
            break;
    }
    (void)sqlite3_reset(row);
    return r;
}
