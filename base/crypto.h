/* OpenSSL in a static program: what is linked in is all there is. */
#pragma once

#include <openssl/evp.h>

#include "base/base.h"
#include "base/secret.h"

/*
 * Before anything else of OpenSSL: the machine's openssl.cnf is not read; it is made for another OpenSSL and may ask
 * for modules that a static program cannot load (base/static/no-loader.c). Errors: -ENOMEM.
 */
int crypto_library_init(void) MUST_CHECK;

/*
 * Before everything else of OpenSSL, crypto_library_init() included: all that it gives back to the heap is wiped first.
 * OpenSSL 3.5 frees the structure with a TLS 1.3 connection's secrets as it is. Errors: -EBUSY when OpenSSL has begun.
 */
int crypto_wipe_freed(void) MUST_CHECK;

/*
 * Gives a context (NULL: an error) a cipher by OpenSSL's name, with its key and, where it takes one, its initialisation
 * vector. The functions that OpenSSL has for it by name (EVP_aes_256_gcm()) bring tables of all of AES into a static
 * program. Errors: -ENOMEM, also when there is no such cipher.
 */
int crypto_cipher_begin(EVP_CIPHER_CTX *context, const char *name, bool encrypt, const uint8_t *key, const uint8_t *iv)
    MUST_CHECK;

/*
 * A secret of `size` bytes by OpenSSL's key derivation of that name. Errors: -ENOMEM, also when there is no such
 * derivation, or it does not take the parameters.
 */
int crypto_derive(const char *name, const OSSL_PARAM *parameters, size_t size, struct secret *ret_secret) MUST_CHECK;
