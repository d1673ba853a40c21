/* Hashing, step by step. Nothing here reads hostile bytes. */
#include "measure/chain.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

/* PAGE_INFO: digest so far, contents, and how the page was added. */
enum {
    INFO_CONTENTS = 0x30,
    INFO_LENGTH = 0x60,
    INFO_PAGE_TYPE = 0x62,
    INFO_GPA = 0x68,
    INFO_BYTES = 0x70,
};

void chain_start(struct chain *chain)
{
    memset(chain, 0, sizeof(*chain));
    chain->sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    chain->context = EVP_MD_CTX_new();
    if (!chain->sha384 || !chain->context)
        chain->error = -ENOMEM;
}

void chain_free(struct chain *chain)
{
    EVP_MD_CTX_free(chain->context);
    EVP_MD_CTX_free(chain->sha256);
    EVP_MD_free(chain->sha384);
    memset(chain, 0, sizeof(*chain));
}

void chain_start_sha256(struct chain *chain, const EVP_MD_CTX *from)
{
    if (!chain->sha256)
        chain->sha256 = EVP_MD_CTX_new();
    if (!chain->sha256 || EVP_MD_CTX_copy_ex(chain->sha256, from) != 1)
        chain->error = -ENOMEM;
}

void chain_copy(struct chain *chain, const struct chain *from)
{
    memcpy(chain->digest, from->digest, sizeof(chain->digest));
    if (from->error)
        chain->error = from->error;
    else if (from->sha256)
        chain_start_sha256(chain, from->sha256);
}

void chain_hash(struct chain *chain, const void *data, size_t size, uint8_t ret_hash[SHA384_BYTES])
{
    if (chain->error)
        return;
    if (EVP_DigestInit_ex2(chain->context, chain->sha384, NULL) != 1 ||
        EVP_DigestUpdate(chain->context, data, size) != 1 ||
        EVP_DigestFinal_ex(chain->context, ret_hash, NULL) != 1)
        chain->error = -ENOMEM;
}

void chain_add(struct chain *chain, enum page_type type, uint64_t gpa, const uint8_t *contents)
{
    uint8_t info[INFO_BYTES] = { 0 };

    memcpy(info, chain->digest, sizeof(chain->digest));
    if (contents)
        memcpy(info + INFO_CONTENTS, contents, SHA384_BYTES);
    put_u16le(info + INFO_LENGTH, INFO_BYTES);
    info[INFO_PAGE_TYPE] = (uint8_t)type;
    put_u64le(info + INFO_GPA, gpa);
    chain_hash(chain, info, sizeof(info), chain->digest);
}

void chain_add_bytes(struct chain *chain, const void *data, size_t size)
{
    if (!chain->error && EVP_DigestUpdate(chain->sha256, data, size) != 1)
        chain->error = -ENOMEM;
}

void chain_peek(struct chain *chain)
{
    if (!chain->error && (EVP_MD_CTX_copy_ex(chain->context, chain->sha256) != 1 ||
                          EVP_DigestFinal_ex(chain->context, chain->digest, NULL) != 1))
        chain->error = -ENOMEM;
}
