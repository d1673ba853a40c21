/*
 * Signing keys in files, as `openssl genpkey` writes them: ECDSA on P-384 (FIPS 186-5) and Ed25519 (RFC 8032). PEM or
 * DER; private keys as PKCS#8 (RFC 5958) or SEC1 (RFC 5915), public ones as SubjectPublicKeyInfo (RFC 5280 4.1).
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <string.h>

#include "base/base.h"
#include "base/reason.h"

#define KEY_FILE_MAX_BYTES 8192
#define KEY_SIGNATURE_MAX_BYTES 104 /* DER of two numbers of P-384; Ed25519 has 64 */
#define KEY_ID_BYTES 32

enum key_kind {
    KEY_P384 = 1,
    KEY_ED25519 = 2,
};

/*
 * A pem_password_cb that has none, for everything that reads PEM: OpenSSL's own asks on the terminal, which whoever
 * made the file could then make it do. Returns -1.
 */
int key_no_passphrase(char *to, int size, int writing, void *context);

/*
 * A public key on P-384 as it stands in configuration: DER SubjectPublicKeyInfo, of which there is one form (RFC
 * 5480, the named curve and an uncompressed point). OpenSSL has to be started for what it makes of it, and that takes
 * longer than all of a configuration, so it is asked where the key is used.
 */
#define KEY_P384_BYTES 120u

struct key_p384 {
    uint8_t der[KEY_P384_BYTES];
    bool given;
};

/* Whether these are the bytes of such a key; not, whether its point lies on the curve. Errors: -EBADMSG. */
int key_p384_take(const void *der, size_t size, struct key_p384 *ret_key) MUST_CHECK;

/* The key, or NULL, by which no signature is, for a point that is none. The caller frees with key_free(). */
EVP_PKEY *key_p384_load(const struct key_p384 *key);

/*
 * A public key on the curve of OpenSSL's name `group` from its point, encoded as SEC 1 section 2.3.3 has it. OpenSSL
 * checks that it lies on the curve: NULL when it does not. The caller frees with key_free().
 */
EVP_PKEY *key_from_point(const char *group, const uint8_t *point, size_t size);

/* Frees and forgets; fine with NULL. */
static inline void key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

#define CLEANUP_KEY CLEANUP(key_free)

/* Whether it is one for ECDSA on P-384. NULL is none. */
static inline bool key_is_p384(EVP_PKEY *key)
{
    char group[32] = "";

    return key && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 && strcmp(group, SN_secp384r1) == 0;
}

/* "P-384 or Ed25519": what a sum of enum key_kind allows. */
const char *key_kinds_text(unsigned kinds);

/* A public key of any kind from the bytes of its DER form and nothing else; NULL for others. Freed with key_free(). */
EVP_PKEY *key_decode_der(const uint8_t *der, size_t size);

/*
 * A private key of one of the `kinds` (a sum of enum key_kind). A file that others than its owner can read is refused,
 * see secret_file_read(); so is an encrypted key, since nobody may be there to be asked. The caller frees with
 * key_free(). Errors: -EACCES, -EBADMSG, -errno, with a sentence that names the path.
 */
int key_read_private(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why) MUST_CHECK;

/* A public key. A private key in its place is refused. Otherwise as key_read_private(). */
int key_read_public(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why) MUST_CHECK;

/* The public key, or the private one, for whom the public half is enough. Errors: those of the two. */
int key_read_any(const char *path, unsigned kinds, EVP_PKEY **ret_key, struct reason *why) MUST_CHECK;

/* A public key from the bytes of its file. Errors: -EBADMSG, with a sentence that does not name a path. */
int key_parse_public(const void *data, size_t size, unsigned kinds, EVP_PKEY **ret_key, struct reason *why) MUST_CHECK;

/* KEY_P384, KEY_ED25519, or 0 for any other. */
unsigned key_kind(EVP_PKEY *key);

/* "ECDSA P-384" or "Ed25519". */
const char *key_kind_name(EVP_PKEY *key);

/*
 * SHA-256 of the DER SubjectPublicKeyInfo, a point on P-384 uncompressed: what the project calls a key's id. Errors:
 * -EINVAL for a key of another kind, -ENOMEM.
 */
int key_id(EVP_PKEY *key, uint8_t ret_id[KEY_ID_BYTES]) MUST_CHECK;

/*
 * Signs: P-384 with SHA-384 as DER, with the nonce of RFC 6979, Ed25519 as it is. The same key and bytes give the same
 * signature. Errors: -EINVAL for another kind of key, -ENOMEM.
 */
int key_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t ret_signature[KEY_SIGNATURE_MAX_BYTES],
             size_t *ret_size) MUST_CHECK;

/* Whether `signature` is this key's over the bytes; and the same for none but keys on P-384. */
bool key_verify(EVP_PKEY *key, const void *data, size_t size, const uint8_t *signature, size_t signature_size);
bool key_p384_verify(EVP_PKEY *key, const void *data, size_t size, const uint8_t *signature, size_t signature_size);
