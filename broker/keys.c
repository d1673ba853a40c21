/* The broker's keys. The directory is the operator's; private keys stay in OpenSSL's secure heap and in secrets. */
#include "broker/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret-file.h"

#define MAX_KEY_FILE_BYTES 8192
#define MAX_CERTIFICATE_FILE_BYTES 16384

static const char *const files[] = { "tls.key", "tls.crt", "record.key", "token.key", "kek" };

int keys_path(const char *directory, const char *name, char ret_path[KEYS_MAX_PATH], struct reason *why)
{
    int size = snprintf(ret_path, KEYS_MAX_PATH, "%s/%s", directory, name);

    if (size < 0 || size >= KEYS_MAX_PATH)
        return reason_set(why, -ENAMETOOLONG, "the directory's name is too long");
    return 0;
}

/* PKCS#8 in PEM, through memory of the secure heap. */
static int write_private(const char *path, EVP_PKEY *key, struct reason *why)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long size;
    int r = -ENOMEM;

    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        size = BIO_get_mem_data(bio, &text);
        r = file_write(path, 0600, text, (size_t)size, why);
    }
    BIO_free(bio);
    return r;
}

static int create_key(const char *directory, const char *name, const char *group, EVP_PKEY **ret_key,
                      struct reason *why)
{
    char path[KEYS_MAX_PATH];
    EVP_PKEY *key;
    int r = keys_path(directory, name, path, why);

    if (r < 0)
        return r;
    key = EVP_EC_gen(group);
    r = key ? write_private(path, key, why) : -ENOMEM;
    if (r < 0 || !ret_key) {
        EVP_PKEY_free(key);
        return r;
    }
    *ret_key = key;
    return 0;
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    static const unsigned char common_name[] = "postern-broker";
    X509_NAME *name = X509_get_subject_name(certificate);
    uint8_t serial[16];
    BIGNUM *number;
    bool ok;

    if (RAND_bytes(serial, sizeof(serial)) != 1)
        return false;
    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) &&
         X509_set_version(certificate, X509_VERSION_3) == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20240101000000Z") == 1 &&
         ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
         X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
    BN_free(number);
    return ok;
}

static int write_certificate(const char *path, X509 *certificate, struct reason *why)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size;
    int r = -ENOMEM;

    if (bio && PEM_write_bio_X509(bio, certificate) == 1) {
        size = BIO_get_mem_data(bio, &text);
        r = file_write(path, 0644, text, (size_t)size, why);
    }
    BIO_free(bio);
    return r;
}

static int create_certificate(const char *directory, EVP_PKEY *key, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    X509 *certificate;
    int r = keys_path(directory, "tls.crt", path, why);

    if (r < 0)
        return r;
    certificate = X509_new();
    r = certificate && fill_certificate(certificate, key) ? write_certificate(path, certificate, why) : -ENOMEM;
    X509_free(certificate);
    return r;
}

static int create_kek(const char *directory, struct reason *why)
{
    CLEANUP_SECRET struct secret kek = SECRET_NONE;
    char path[KEYS_MAX_PATH];
    int r = keys_path(directory, "kek", path, why);

    if (r == 0)
        r = secret_random(KEYS_KEK_BYTES, &kek);
    return r < 0 ? r : file_write(path, 0600, kek.bytes, kek.size, why);
}

int keys_create(const char *directory, struct reason *why)
{
    EVP_PKEY *tls = NULL;
    int r = create_key(directory, "tls.key", SN_X9_62_prime256v1, &tls, why);

    if (r == 0)
        r = create_certificate(directory, tls, why);
    if (r == 0)
        r = create_key(directory, "record.key", SN_secp384r1, NULL, why);
    if (r == 0)
        r = create_key(directory, "token.key", SN_X9_62_prime256v1, NULL, why);
    if (r == 0)
        r = create_kek(directory, why);
    EVP_PKEY_free(tls);
    return r;
}

void keys_remove(const char *directory)
{
    char path[KEYS_MAX_PATH];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (keys_path(directory, files[i], path, NULL) == 0)
            (void)unlink(path);
}

static int read_key(int fd, const char *path, const char *group, EVP_PKEY **ret_key, struct reason *why)
{
    CLEANUP_SECRET struct secret text = SECRET_NONE;
    char found[32] = "";
    EVP_PKEY *key;
    BIO *bio;
    int r = secret_fd_read(fd, path, MAX_KEY_FILE_BYTES, &text, why);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(text.bytes, (int)text.size);
    key = bio ? PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!key || EVP_PKEY_get_group_name(key, found, sizeof(found), NULL) != 1 || strcmp(found, group) != 0) {
        EVP_PKEY_free(key);
        return reason_set(why, -EBADMSG, "%s: not a private key on %s in PEM", path, group);
    }
    *ret_key = key;
    return 0;
}

static int open_file(const char *directory, const char *name, char ret_path[KEYS_MAX_PATH], int *ret_fd,
                     struct reason *why)
{
    int r = keys_path(directory, name, ret_path, why);

    if (r < 0)
        return r;
    *ret_fd = open(ret_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return *ret_fd < 0 ? reason_set(why, -errno, "%s: cannot be opened: %s", ret_path, strerror(errno)) : 0;
}

static int load_key(const char *directory, const char *name, const char *group, EVP_PKEY **ret_key, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    CLEANUP_FD int fd = -1;
    int r = open_file(directory, name, path, &fd, why);

    return r < 0 ? r : read_key(fd, path, group, ret_key, why);
}

static int read_certificate(int fd, const char *path, EVP_PKEY *key, X509 **ret_certificate, struct reason *why)
{
    char text[MAX_CERTIFICATE_FILE_BYTES];
    ssize_t size = pread(fd, text, sizeof(text), 0);
    BIO *bio = size > 0 ? BIO_new_mem_buf(text, (int)size) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int r = 0;

    BIO_free(bio);
    if (!certificate || X509_check_private_key(certificate, key) != 1)
        r = reason_set(why, -EBADMSG, "%s: not the certificate of tls.key", path);
    ERR_clear_error();
    if (r < 0) {
        X509_free(certificate);
        return r;
    }
    *ret_certificate = certificate;
    return 0;
}

int keys_open_tls(const char *directory, int *ret_key, int *ret_certificate, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    CLEANUP_FD int key = -1;
    int r = open_file(directory, "tls.key", path, &key, why);

    if (r == 0)
        r = open_file(directory, "tls.crt", path, ret_certificate, why);
    if (r == 0)
        *ret_key = fd_take(&key);
    return r;
}

int keys_read_tls(int key_fd, int certificate_fd, EVP_PKEY **ret_key, X509 **ret_certificate, struct reason *why)
{
    EVP_PKEY *key = NULL;
    int r = read_key(key_fd, "tls.key", SN_X9_62_prime256v1, &key, why);

    if (r == 0)
        r = read_certificate(certificate_fd, "tls.crt", key, ret_certificate, why);
    if (r < 0) {
        EVP_PKEY_free(key);
        return r;
    }
    *ret_key = key;
    return 0;
}

static int load_certificate(const char *directory, EVP_PKEY *key, X509 **ret_certificate, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    CLEANUP_FD int fd = -1;
    int r = open_file(directory, "tls.crt", path, &fd, why);

    return r < 0 ? r : read_certificate(fd, path, key, ret_certificate, why);
}

static int load_kek(const char *directory, const char *credentials, struct secret *ret_kek, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    int r = credentials ? keys_path(credentials, KEYS_CREDENTIAL, path, why) : keys_path(directory, "kek", path, why);

    if (r == 0)
        r = secret_file_read(path, MAX_KEY_FILE_BYTES, ret_kek, why);
    if (r < 0)
        return r;
    if (ret_kek->size != KEYS_KEK_BYTES) {
        r = reason_set(why, -EBADMSG, "%s: %zu bytes, expected %u", path, ret_kek->size, KEYS_KEK_BYTES);
        secret_free(ret_kek);
    }
    return r;
}

int keys_load(const char *directory, const char *credentials, struct keys *ret_keys, struct reason *why)
{
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    int r = load_key(directory, "tls.key", SN_X9_62_prime256v1, &keys.tls, why);

    if (r == 0)
        r = load_certificate(directory, keys.tls, &keys.certificate, why);
    if (r == 0)
        r = load_key(directory, "record.key", SN_secp384r1, &keys.record, why);
    if (r == 0)
        r = load_key(directory, "token.key", SN_X9_62_prime256v1, &keys.token, why);
    if (r == 0)
        r = load_kek(directory, credentials, &keys.kek, why);
    if (r < 0)
        return r;
    *ret_keys = keys;
    keys = (struct keys){ .kek = SECRET_NONE };
    return 0;
}

void keys_free(struct keys *keys)
{
    EVP_PKEY_free(keys->tls);
    X509_free(keys->certificate);
    EVP_PKEY_free(keys->record);
    EVP_PKEY_free(keys->token);
    secret_free(&keys->kek);
    *keys = (struct keys){ .kek = SECRET_NONE };
}
