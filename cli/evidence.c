/* Evidence from files; whoever made them controls every byte until it has been verified. */
#include "cli/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/vek.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/certificate-files.h"

#define FILE_MAX_BYTES (256u * 1024)
#define DER_SEQUENCE 0x30

static enum certificate_kind kind_of(X509 *certificate, char name[64])
{
    certificate_common_name(certificate, name);
    if (strcmp(name, "SEV-VCEK") == 0)
        return CERTIFICATE_VCEK;
    if (strcmp(name, "SEV-VLEK") == 0)
        return CERTIFICATE_VLEK;
    if (strncmp(name, "ARK-", 4) == 0)
        return CERTIFICATE_ARK;
    return strncmp(name, "SEV-", 4) == 0 ? CERTIFICATE_ASK : CERTIFICATE_OTHER;
}

/* Takes `data` over, also on failure. */
static int add_der(struct evidence *evidence, enum certificate_kind kind, uint8_t *data, size_t size,
                   struct reason *why)
{
    if (evidence->owned_count == CERT_TABLE_MAX_ENTRIES || evidence->table.count == CERT_TABLE_MAX_ENTRIES) {
        free(data);
        return reason_set(why, -E2BIG, "more than %u certificates and lists", CERT_TABLE_MAX_ENTRIES);
    }
    evidence->owned[evidence->owned_count++] = data;
    evidence->table.entries[evidence->table.count++] = (struct certificate_entry){ kind, data, size };
    return 0;
}

static int add_encoded(struct evidence *evidence, enum certificate_kind kind, const unsigned char *der, size_t size,
                       struct reason *why)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, der, size);
    return add_der(evidence, kind, copy, size, why);
}

/* Takes the certificate's bytes as they came; a root is kept aside. */
static int add_certificate(struct evidence *evidence, const unsigned char *der, size_t size, struct reason *why)
{
    const unsigned char *at = der;
    X509 *certificate = size > CHAIN_MAX_CERTIFICATE_BYTES ? NULL : d2i_X509(NULL, &at, (long)size);
    enum certificate_kind kind;
    char name[64];

    ERR_clear_error();
    if (!certificate || at != der + size) {
        X509_free(certificate);
        return reason_set(why, -EBADMSG, "not one certificate in DER");
    }
    kind = kind_of(certificate, name);
    if (kind == CERTIFICATE_ARK && evidence->ark_count < ARRAY_SIZE(evidence->arks)) {
        evidence->arks[evidence->ark_count++] = certificate;
        return 0;
    }
    X509_free(certificate);
    if (kind == CERTIFICATE_OTHER || kind == CERTIFICATE_ARK)
        return reason_set(why, -EBADMSG, "certificate \"%s\" is none of AMD's chain", name);
    return add_encoded(evidence, kind, der, size, why);
}

static int add_block(struct evidence *evidence, const char *label, const unsigned char *der, long size,
                     struct reason *why)
{
    if (strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0)
        return add_certificate(evidence, der, (size_t)size, why);
    if (strcmp(label, PEM_STRING_X509_CRL) == 0)
        return add_encoded(evidence, CERTIFICATE_CRL, der, (size_t)size, why);
    return reason_set(why, -EBADMSG, "\"%s\" is neither certificate nor revocation list", label);
}

/* Blocks until there are no more; the text must end for lack of one, not in a damaged one. */
static int add_pem(struct evidence *evidence, const uint8_t *text, size_t size, struct reason *why)
{
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    size_t blocks = 0;
    long der_size = 0;
    int r = bio ? 0 : -ENOMEM;

    while (r == 0 && PEM_read_bio(bio, &label, &header, &der, &der_size) == 1) {
        r = add_block(evidence, label, der, der_size, why);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
        blocks++;
    }
    if (r == 0 && (!blocks || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
        r = reason_set(why, -EBADMSG, "not PEM");
    ERR_clear_error();
    BIO_free(bio);
    return r;
}

/* A certificate, or else a list. */
static int add_one_der(struct evidence *evidence, const uint8_t *data, size_t size, struct reason *why)
{
    const unsigned char *at = data;
    X509_CRL *list = d2i_X509_CRL(NULL, &at, (long)size);
    bool is_list = list && at == data + size;

    X509_CRL_free(list);
    ERR_clear_error();
    return is_list ? add_encoded(evidence, CERTIFICATE_CRL, data, size, why)
                   : add_certificate(evidence, data, size, why);
}

/* Certificates of a host's table; what it holds beside AMD's chain is passed over. */
static int add_table(struct evidence *evidence, const uint8_t *data, size_t size, struct reason *why)
{
    struct cert_table table;
    int r = cert_table_parse(data, size, &table, why);

    for (size_t i = 0; r == 0 && i < table.count; i++) {
        const struct certificate_entry *entry = &table.entries[i];

        if (entry->kind == CERTIFICATE_CRL)
            r = add_encoded(evidence, entry->kind, entry->data, entry->size, why);
        else if (entry->kind != CERTIFICATE_OTHER)
            r = add_certificate(evidence, entry->data, entry->size, why);
    }
    return r;
}

int evidence_take(struct evidence *evidence, const char *name, const void *bytes, size_t size, struct reason *why)
{
    const uint8_t *data = bytes;
    int r;

    if (memmem(data, size, "-----BEGIN ", 11))
        r = add_pem(evidence, data, size, why);
    else if (size && data[0] == DER_SEQUENCE)
        r = add_one_der(evidence, data, size, why);
    else
        r = add_table(evidence, data, size, why);
    if (r < 0)
        reason_prefix(why, name);
    return r;
}

static int add_file(struct evidence *evidence, const char *path, struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(path, FILE_MAX_BYTES, &data, &size, why);

    return r < 0 ? r : evidence_take(evidence, path, data, size, why);
}

static int add_directory(struct evidence *evidence, const char *directory, struct reason *why)
{
    static const char *const names[] = { "ark", "ask", "asvk", "vcek", "vlek", "crl", "cert_chain" };
    static const char *const endings[] = { "pem", "der" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(endings); k++) {
            CLEANUP_FREE char *path = NULL;
            int r;

            if (asprintf(&path, "%s/%s.%s", directory, names[i], endings[k]) < 0) {
                path = NULL;
                return -ENOMEM;
            }
            if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
                continue; /* a link to nothing is there, and an error */
            r = add_file(evidence, path, why);
            if (r < 0)
                return r;
            break; /* .pem goes before .der */
        }
    }
    return 0;
}

int evidence_add(struct evidence *evidence, const char *path, struct reason *why)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? add_directory(evidence, path, why) : add_file(evidence, path, why);
}

int evidence_take_report(struct evidence *evidence, const char *name, const void *bytes, size_t size,
                         struct reason *why)
{
    const uint8_t *data = bytes;
    int r = 0;

    if (size < REPORT_BYTES)
        return reason_set(why, -EBADMSG, "%s: %zu bytes, a report has %u", name, size, REPORT_BYTES);
    memcpy(evidence->report, data, REPORT_BYTES);
    evidence->has_report = true;
    if (size > REPORT_BYTES)
        r = add_table(evidence, data + REPORT_BYTES, size - REPORT_BYTES, why);
    if (r < 0)
        reason_prefix(why, name);
    return r;
}

int evidence_read_report(struct evidence *evidence, const char *path, struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(path, REPORT_BYTES + CERT_TABLE_MAX_BYTES, &data, &size, why);

    return r < 0 ? r : evidence_take_report(evidence, path, data, size, why);
}

static enum product product_of(X509 *ark)
{
    char name[64];

    certificate_common_name(ark, name);
    return product_from_name(name + strlen("ARK-"));
}

int evidence_compare_roots(const struct evidence *evidence, const struct trust_roots *roots, struct reason *why)
{
    for (size_t i = 0; i < evidence->ark_count; i++) {
        X509 *pinned = trust_roots_ark(roots, product_of(evidence->arks[i]));
        uint8_t hash[32];
        char hex[HEX_TEXT_BYTES(sizeof(hash))], name[64];

        if (!pinned || X509_cmp(evidence->arks[i], pinned) == 0)
            continue; /* where none is pinned, none is trusted */
        certificate_common_name(evidence->arks[i], name);
        (void)X509_digest(evidence->arks[i], EVP_sha256(), hash, NULL);
        hex_encode(hash, sizeof(hash), hex);
        return reason_set(why, -EKEYREJECTED,
                          "the \"%s\" that came along is not the trusted one: its SHA-256 is %s", name, hex);
    }
    return 0;
}

void evidence_write_pem(const struct evidence *evidence, struct buffer *to)
{
    for (size_t i = 0; i < evidence->table.count; i++) {
        const struct certificate_entry *entry = &evidence->table.entries[i];
        X509_CRL *list = certificate_decode_crl(entry->data, entry->size);
        X509 *certificate = list ? NULL : certificate_decode(entry->data, entry->size);

        if (list)
            certificate_encode_crl(list, ENCODING_PEM, to);
        else if (certificate)
            certificate_encode(certificate, ENCODING_PEM, to);
        X509_CRL_free(list);
        X509_free(certificate);
    }
    for (size_t i = 0; i < evidence->ark_count; i++)
        certificate_encode(evidence->arks[i], ENCODING_PEM, to);
}

void evidence_free(struct evidence *evidence)
{
    for (size_t i = 0; i < evidence->owned_count; i++)
        free(evidence->owned[i]);
    for (size_t i = 0; i < evidence->ark_count; i++)
        X509_free(evidence->arks[i]);
    evidence->owned_count = evidence->ark_count = evidence->table.count = 0;
}

int evidence_roots(const char *path, struct trust_roots **ret_roots, struct reason *why)
{
    return path ? trust_roots_file(path, ret_roots, why) : trust_roots_amd(ret_roots);
}

int evidence_time(const char *text, time_t *ret_time, struct reason *why)
{
    static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" };
    uint64_t seconds;

    if (!text) {
        *ret_time = verify_time_now();
        return 0;
    }
    if (text[0] == '@' && command_parse_u64(text + 1, &seconds) == 0 && seconds <= INT64_MAX / 2) {
        *ret_time = (time_t)seconds;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm parts = { .tm_isdst = 0 };
        const char *end = strptime(text, forms[i], &parts);

        if (end && !*end) {
            *ret_time = timegm(&parts);
            return 0;
        }
    }
    return reason_set(why, -EINVAL, "--at \"%s\": expected 2026-11-22, 2026-11-22T08:00:00Z or @SECONDS", text);
}

int evidence_exit_code(int error)
{
    switch (error) {
    case 0:
        return COMMAND_OK;
    case -EKEYREJECTED:
    case -EBADMSG:
        return VERIFY_EXIT_SIGNATURE;
    case -ENOKEY:
        return VERIFY_EXIT_CERTIFICATES;
    case -EKEYREVOKED:
        return VERIFY_EXIT_REVOKED;
    default:
        return COMMAND_MISUSE;
    }
}
