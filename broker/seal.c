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
#include "measure/measure.h"

#define MAGIC "PSTNSEA3"
#define MAGIC_BYTES 8
#define IV_BYTES 12
#define TAG_BYTES 16
#define DATA_KEY_BYTES 32

static void write_place(const char *domain, const struct seal_context *context, struct buffer *to)
{
    buffer_add(to, domain, strlen(domain) + 1);
    buffer_add(to, context->resource, strlen(context->resource) + 1);
    buffer_add_u64le(to, context->version);
}

static int write_inner(const struct seal_context *context, struct buffer *to)
{
    write_place("postern-broker record", context, to);
    buffer_add_u8(to, context->kind);
    return buffer_error(to);
}

static int write_outer(const struct seal_context *context, struct buffer *to)
{
    uint8_t digest[SHA256_BYTES];

    if (EVP_Digest(buffer_text(context->policy), context->policy->size, digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    write_place("postern-broker key", context, to);
    buffer_add_u8(to, context->state);
    buffer_add(to, digest, sizeof(digest));
    buffer_add(to, context->manifests->data, context->manifests->size);
    return buffer_error(to);
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

int seal_close(const struct secret *kek, const struct seal_context *context, const struct secret *plain,
               struct buffer *to)
{
    CLEANUP_SECRET struct secret data_key = SECRET_NONE;
    CLEANUP_BUFFER struct buffer outer = BUFFER_EMPTY, inner = BUFFER_EMPTY;
    int r = secret_random(DATA_KEY_BYTES, &data_key);

    if (r == 0)
        r = write_outer(context, &outer);
    if (r == 0)
        r = write_inner(context, &inner);
    if (r < 0)
        return r;
    buffer_add(to, MAGIC, MAGIC_BYTES);
    r = encrypt(kek->bytes, &outer, &data_key, to);
    return r < 0 ? r : encrypt(data_key.bytes, &inner, plain, to);
}

/* The data key; the cursor is at the record after it. */
static int open_key(const struct secret *kek, const struct seal_context *context, struct cursor *from,
                    struct secret *ret_key)
{
    CLEANUP_BUFFER struct buffer outer = BUFFER_EMPTY;
    const uint8_t *magic = cursor_bytes(from, MAGIC_BYTES);
    int r;

    if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
        return -EBADMSG;
    r = write_outer(context, &outer);
    if (r == 0)
        r = decrypt(kek->bytes, &outer, from, DATA_KEY_BYTES, ret_key);
    if (r < 0)
        return r;
    if (from->left <= IV_BYTES + TAG_BYTES || from->left - IV_BYTES - TAG_BYTES > SECRET_MAX_BYTES) {
        secret_free(ret_key);
        return -EBADMSG;
    }
    return 0;
}

int seal_open(const struct secret *kek, const struct seal_context *context, const void *sealed, size_t size,
              struct secret *ret_plain)
{
    CLEANUP_SECRET struct secret data_key = SECRET_NONE;
    CLEANUP_BUFFER struct buffer inner = BUFFER_EMPTY;
    struct cursor c = cursor_over(sealed, size);
    int r = open_key(kek, context, &c, &data_key);

    if (r == 0)
        r = write_inner(context, &inner);
    return r < 0 ? r : decrypt(data_key.bytes, &inner, &c, c.left - IV_BYTES - TAG_BYTES, ret_plain);
}

int seal_change(const struct secret *kek, const struct seal_context *from, const struct seal_context *to_context,
                const void *sealed, size_t size, struct buffer *to)
{
    CLEANUP_SECRET struct secret data_key = SECRET_NONE;
    CLEANUP_BUFFER struct buffer outer = BUFFER_EMPTY;
    struct cursor c = cursor_over(sealed, size);
    int r = open_key(kek, from, &c, &data_key);

    if (r == 0)
        r = write_outer(to_context, &outer);
    if (r < 0)
        return r;
    buffer_add(to, MAGIC, MAGIC_BYTES);
    r = encrypt(kek->bytes, &outer, &data_key, to);
    buffer_add(to, c.p, c.left);
    return r < 0 ? r : buffer_error(to);
}
