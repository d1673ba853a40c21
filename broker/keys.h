/*
 * The broker's keys, files in its directory:
 *
 *     tls.key, tls.crt   P-256, and the certificate that guests pin by its public key
 *     record.key         P-384, signs released volume records; guests pin it too
 *     token.key          P-256, signs the tokens that /attest answers
 *     kek                32 bytes, encrypts the records in the store
 *
 * The certificate names nobody and does not expire: its public key is its whole meaning.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"

#define KEYS_KEK_BYTES 32

struct keys {
    EVP_PKEY *tls;
    X509 *certificate;
    EVP_PKEY *record;
    EVP_PKEY *token;
    struct secret kek;
};

/* Makes all files in an empty directory. What was made before a failure is for the caller to remove (keys_remove()). */
int keys_create(const char *directory, struct reason *why) MUST_CHECK;

/* Unlinks them. */
void keys_remove(const char *directory);

/* The name of the key-encryption key among systemd's credentials. */
#define KEYS_CREDENTIAL "postern-broker.kek"

/*
 * Reads them all; the key-encryption key from the directory of credentials where that is not NULL. Errors: those of
 * secret_file_read(), -EBADMSG for contents that are not what they should be; the sentence names the file.
 */
int keys_load(const char *directory, const char *credentials, struct keys *ret_keys, struct reason *why) MUST_CHECK;

/* Opens tls.key and tls.crt for somebody else to read. Errors: -errno. */
int keys_open_tls(const char *directory, int *ret_key, int *ret_certificate, struct reason *why) MUST_CHECK;

/* Reads them out of those descriptors. Errors as keys_load(). */
int keys_read_tls(int key_fd, int certificate_fd, EVP_PKEY **ret_key, X509 **ret_certificate, struct reason *why)
    MUST_CHECK;

void keys_free(struct keys *keys);

/* directory/name. Errors: -ENAMETOOLONG. */
#define KEYS_MAX_PATH 1024
int keys_path(const char *directory, const char *name, char ret_path[KEYS_MAX_PATH], struct reason *why) MUST_CHECK;
