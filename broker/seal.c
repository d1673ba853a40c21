/* Sealed records; whoever can write the store controls what is opened here. */
#include "broker/seal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"

#define MAGIC "PSTNSEA1"
#define MAGIC_BYTES 8
#define IV_BYTES 12
#define TAG_BYTES 16
#define DATA_KEY_BYTES 32

static void write_context(const char *resource, uint64_t version, struct buffer *to)
{
    static const char domain[] = "postern-broker volume";

    buffer_add(to, domain, sizeof(domain));
    buffer_add(to, resource, strlen(resource) + 1);
    buffer_add_u64le(to, version);
}

/* Appends iv, ciphertext and tag. */
static int encrypt(const uint8_t *key, const struct buffer *aad, const struct secret *plain, struct buffer *to)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    CLEANUP_FREE uint8_t *cipher = malloc(plain->size);
    uint8_t iv[IV_BYTES], tag[TAG_BYTES];
    int size = 0, rest = 0, ok;

    ok = context && cipher && RAND_bytes(iv, sizeof(iv)) == 1 &&
         EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), key, iv, NULL) == 1 &&
         EVP_EncryptUpdate(context, NULL, &size, aad->data, (int)aad->size) == 1 &&
         EVP_EncryptUpdate(context, cipher, &size, plain->bytes, (int)plain->size) == 1 &&
         EVP_EncryptFinal_ex(context, cipher + size, &rest) == 1 && (size_t)(size + rest) == plain->size &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, sizeof(tag), tag) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!ok)
        return -ENOMEM;
    buffer_add(to, iv, sizeof(iv));
    buffer_add(to, cipher, plain->size);
    buffer_add(to, tag, sizeof(tag));
    return buffer_error(to);
}

/* Reads iv, `size` bytes of ciphertext and tag. */
static int decrypt(const uint8_t *key, const struct buffer *aad, struct cursor *from, size_t size,
                   struct secret *ret_plain)
{
    CLEANUP_SECRET struct secret plain = SECRET_NONE;
    EVP_CIPHER_CTX *context;
    uint8_t iv[IV_BYTES], tag[TAG_BYTES];
    const uint8_t *cipher;
    int done = 0, rest = 0, ok, r;

    cursor_copy(from, iv, sizeof(iv));
    cipher = cursor_bytes(from, size);
    cursor_copy(from, tag, sizeof(tag));
    if (from->failed)
        return -EBADMSG;
    r = secret_alloc(size, &plain);
    if (r < 0)
        return r;
    context = EVP_CIPHER_CTX_new();
    ok = context && EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), key, iv, NULL) == 1 &&
         EVP_DecryptUpdate(context, NULL, &done, aad->data, (int)aad->size) == 1 &&
         EVP_DecryptUpdate(context, plain.bytes, &done, cipher, (int)size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
         EVP_DecryptFinal_ex(context, plain.bytes + done, &rest) == 1 && (size_t)(done + rest) == size;
    EVP_CIPHER_CTX_free(context);
    ERR_clear_error();
    if (!ok)
        return -EBADMSG;
    *ret_plain = plain;
    plain = SECRET_NONE;
    return 0;
}

int seal_close(const struct secret *kek, const char *resource, uint64_t version, const struct secret *plain,
               struct buffer *to)
{
    CLEANUP_SECRET struct secret data_key = SECRET_NONE;
    CLEANUP_BUFFER struct buffer aad = BUFFER_EMPTY;
    int r = secret_random(DATA_KEY_BYTES, &data_key);

    write_context(resource, version, &aad);
    if (r == 0)
        r = buffer_error(&aad);
    if (r < 0)
        return r;
    buffer_add(to, MAGIC, MAGIC_BYTES);
    r = encrypt(kek->bytes, &aad, &data_key, to);
    return r < 0 ? r : encrypt(data_key.bytes, &aad, plain, to);
}

int seal_open(const struct secret *kek, const char *resource, uint64_t version, const void *sealed, size_t size,
              struct secret *ret_plain)
{
    CLEANUP_SECRET struct secret data_key = SECRET_NONE, plain = SECRET_NONE;
    CLEANUP_BUFFER struct buffer aad = BUFFER_EMPTY;
    struct cursor c = cursor_over(sealed, size);
    const uint8_t *magic = cursor_bytes(&c, MAGIC_BYTES);
    int r;

    if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
        return -EBADMSG;
    write_context(resource, version, &aad);
    r = buffer_error(&aad);
    if (r == 0)
        r = decrypt(kek->bytes, &aad, &c, DATA_KEY_BYTES, &data_key);
    if (r < 0)
        return r;
    if (c.left <= IV_BYTES + TAG_BYTES || c.left - IV_BYTES - TAG_BYTES > SECRET_MAX_BYTES)
        return -EBADMSG;
    r = decrypt(data_key.bytes, &aad, &c, c.left - IV_BYTES - TAG_BYTES, &plain);
    if (r < 0)
        return r;
    *ret_plain = plain;
    plain = SECRET_NONE;
    return 0;
}
