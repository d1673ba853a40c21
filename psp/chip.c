/* Loading a chip: the directory is its owner's, who may have damaged it. */
#include "psp/chip.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cert-table.h"
#include "base/buffer.h"
#include "base/file.h"

#define FILE_MAX_BYTES 16384

static int read_file(const char *directory, const char *name, uint8_t **ret_data, size_t *ret_size, struct reason *why)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return file_read(path, FILE_MAX_BYTES, ret_data, ret_size, why);
}

static int load_identity(const char *directory, struct chip *chip, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    char prefix[REASON_MAX_BYTES / 2];
    int r = read_file(directory, "chip.json", &text, &size, why);

    if (r < 0)
        return r;
    r = chip_read_json(text, size, &chip->identity, why);
    if (r < 0) {
        (void)snprintf(prefix, sizeof(prefix), "%s/chip.json", directory);
        reason_prefix(why, prefix);
    }
    return r;
}

int chip_load_key(const char *path, const char *name, EVP_PKEY **ret_key, struct reason *why)
{
    uint8_t *text = NULL;
    size_t size = 0;
    EVP_PKEY *key;
    BIO *bio;
    int r = read_file(path, name, &text, &size, why);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(text, (int)size);
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    OPENSSL_cleanse(text, size);
    free(text);
    ERR_clear_error();
    if (!key)
        return reason_set(why, -EBADMSG, "%s/%s: not a private key in PEM", path, name);
    *ret_key = key;
    return 0;
}

static int load_secret(const char *directory, struct chip *chip, struct reason *why)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int r = read_file(directory, "chip.key", &bytes, &size, why);

    if (r < 0)
        return r;
    if (size != CHIP_SECRET_BYTES)
        r = reason_set(why, -EBADMSG, "%s/chip.key: has %zu bytes, expected %u", directory, size, CHIP_SECRET_BYTES);
    else if (secret_copy(bytes, size, &chip->secret) < 0)
        r = reason_set(why, -ENOMEM, "no memory for secrets can be locked");
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    return r;
}

int chip_load_certificate(const char *path, const char *name, X509 **ret_certificate, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    X509 *certificate;
    size_t size = 0;
    BIO *bio;
    int r = read_file(path, name, &text, &size, why);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(text, (int)size);
    certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!certificate)
        return reason_set(why, -EBADMSG, "%s/%s: not a certificate in PEM", path, name);
    *ret_certificate = certificate;
    return 0;
}

/* The DER of a certificate; the caller frees it with OPENSSL_free(). */
static int load_der(const char *directory, const char *name, unsigned char **ret_der, size_t *ret_size,
                    struct reason *why)
{
    X509 *certificate = NULL;
    unsigned char *der = NULL;
    int r = chip_load_certificate(directory, name, &certificate, why), length;

    if (r < 0)
        return r;
    length = i2d_X509(certificate, &der);
    X509_free(certificate);
    if (length < 0)
        return -ENOMEM;
    *ret_der = der;
    *ret_size = (size_t)length;
    return 0;
}

/* The table that hosts attach: endorsement key first, root last. */
static int load_certificates(const char *directory, struct chip *chip, struct reason *why)
{
    bool vlek = chip->vlek_key != NULL;
    const struct {
        enum certificate_kind kind;
        const char *name;
    } files[] = { { vlek ? CERTIFICATE_VLEK : CERTIFICATE_VCEK, vlek ? "vlek.pem" : "vcek.pem" },
                  { CERTIFICATE_ASK, vlek ? "asvk.pem" : "ask.pem" },
                  { CERTIFICATE_ARK, "ark.pem" } };
    CLEANUP_BUFFER struct buffer encoded = BUFFER_EMPTY;
    unsigned char *der[ARRAY_SIZE(files)] = { NULL };
    struct cert_table table = { .count = 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
        size_t size = 0;

        r = load_der(directory, files[i].name, &der[i], &size, why);
        table.entries[i] = (struct certificate_entry){ files[i].kind, der[i], size };
        table.count = i + 1;
    }
    if (r == 0) {
        cert_table_encode(&table, &encoded);
        r = buffer_error(&encoded);
    }
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        OPENSSL_free(der[i]);
    if (r == 0 && encoded.size > CERT_TABLE_MAX_BYTES)
        r = reason_set(why, -EBADMSG, "%s: certificates of %zu bytes, guests accept %u", directory, encoded.size,
                       CERT_TABLE_MAX_BYTES);
    if (r < 0)
        return r;
    memcpy(chip->certificates, encoded.data, encoded.size);
    chip->certificates_size = encoded.size;
    return 0;
}

int chip_load(const char *path, bool vlek, struct chip **ret_chip, struct reason *why)
{
    CLEANUP(chip_free) struct chip *chip = calloc(1, sizeof(*chip));
    int r;

    if (!chip)
        return -ENOMEM;
    chip->secret = SECRET_NONE;
    r = load_identity(path, chip, why);
    if (r == 0)
        r = chip_load_key(path, "vcek.key", &chip->vcek_key, why);
    if (r == 0 && vlek)
        r = chip_load_key(path, "vlek.key", &chip->vlek_key, why);
    if (r == 0)
        r = load_secret(path, chip, why);
    if (r == 0)
        r = load_certificates(path, chip, why);
    if (r < 0)
        return r;
    *ret_chip = chip;
    chip = NULL;
    return 0;
}

void chip_free(struct chip **chip)
{
    if (!*chip)
        return;
    EVP_PKEY_free((*chip)->vcek_key);
    EVP_PKEY_free((*chip)->vlek_key);
    secret_free(&(*chip)->secret);
    free(*chip);
    *chip = NULL;
}
