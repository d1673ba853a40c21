/* Firmware images with their pages' hashes. What a chunk holds is hostile; it is hashed here and parsed elsewhere. */
#include "measure/firmware-file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "measure/firmware-hasher.h"

void firmware_chain_pages(struct chain *chain, const struct firmware_file *file)
{
    for (size_t i = 0; i < file->tables.size / PAGE_BYTES; i++)
        chain_add(chain, PAGE_NORMAL, file->tables.gpa + i * PAGE_BYTES, file->pages[i]);
}

int firmware_hasher_start(struct firmware_hasher *hasher, uint64_t size, bool with_streams)
{
    bool good;

    memset(hasher, 0, sizeof(*hasher));
    hasher->size = size;
    hasher->tail_size = firmware_tail_size(size);
    chain_start(&hasher->chain);
    hasher->pages = calloc((size_t)(size / PAGE_BYTES) + 1, SHA384_BYTES);
    hasher->tail = malloc(hasher->tail_size + 1);
    good = hasher->pages && hasher->tail && !hasher->chain.error;
    if (good && with_streams) {
        hasher->sha256 = EVP_MD_CTX_new();
        hasher->sha384 = EVP_MD_CTX_new();
        good = hasher->sha256 && hasher->sha384 && EVP_DigestInit_ex2(hasher->sha256, EVP_sha256(), NULL) == 1 &&
               EVP_DigestInit_ex2(hasher->sha384, hasher->chain.sha384, NULL) == 1;
    }
    return good ? 0 : -ENOMEM;
}

/* Images are mostly filler: a page like the one before it has its hash. */
static void hash_page(struct firmware_hasher *hasher, const uint8_t *page, const uint8_t *previous)
{
    uint8_t *to = hasher->pages[hasher->page_count++];

    if (previous && memcmp(page, previous, PAGE_BYTES) == 0)
        memcpy(to, hasher->pages[hasher->page_count - 2], SHA384_BYTES);
    else
        chain_hash(&hasher->chain, page, PAGE_BYTES, to);
}

int firmware_hasher_add(struct firmware_hasher *hasher, const uint8_t *data, size_t size)
{
    uint64_t tail_start = hasher->size - hasher->tail_size, end = hasher->done + size;

    if (size > hasher->size - hasher->done || size % PAGE_BYTES)
        return -EBUSY;
    for (size_t at = 0; at < size; at += PAGE_BYTES)
        hash_page(hasher, data + at, at ? data + at - PAGE_BYTES : NULL);
    if (hasher->sha256 && (EVP_DigestUpdate(hasher->sha256, data, size) != 1 ||
                           EVP_DigestUpdate(hasher->sha384, data, size) != 1))
        return -ENOMEM;
    if (end > tail_start) {
        size_t skip = tail_start > hasher->done ? (size_t)(tail_start - hasher->done) : 0;

        memcpy(hasher->tail + (hasher->done + skip - tail_start), data + skip, size - skip);
    }
    hasher->done = end;
    return hasher->chain.error;
}

int firmware_hasher_finish(struct firmware_hasher *hasher, enum firmware_kind kind, uint64_t end_gpa,
                           struct firmware_file *ret_file, struct reason *why)
{
    const struct firmware_tail tail = { kind, end_gpa, hasher->size, hasher->tail };
    struct firmware_file file = FIRMWARE_FILE_NONE;
    int r = firmware_parse_tail(&tail, &file.tables, why);

    if (r < 0)
        return r;
    file.pages = hasher->pages;
    firmware_chain_pages(&hasher->chain, &file);
    if (hasher->chain.error ||
        (hasher->sha384 && EVP_DigestFinal_ex(hasher->sha384, file.sha384, NULL) != 1))
        return -ENOMEM;
    memcpy(file.digest, hasher->chain.digest, sizeof(file.digest));
    file.has_sha384 = hasher->sha384;
    file.sha256 = hasher->sha256;
    hasher->pages = NULL;
    hasher->sha256 = NULL;
    *ret_file = file;
    return 0;
}

void firmware_hasher_free(struct firmware_hasher *hasher)
{
    chain_free(&hasher->chain);
    free(hasher->pages);
    free(hasher->tail);
    EVP_MD_CTX_free(hasher->sha256);
    EVP_MD_CTX_free(hasher->sha384);
    memset(hasher, 0, sizeof(*hasher));
}

int firmware_file_from_memory(const void *data, size_t size, enum firmware_kind kind, uint64_t end_gpa,
                              struct firmware_file *ret_file, struct reason *why)
{
    struct firmware_hasher hasher = { .pages = NULL };
    int r = firmware_check_size(size, why);

    if (r < 0)
        return r;
    r = firmware_hasher_start(&hasher, size, true);
    if (r == 0)
        r = firmware_hasher_add(&hasher, data, size);
    if (r == 0)
        r = firmware_hasher_finish(&hasher, kind, end_gpa, ret_file, why);
    firmware_hasher_free(&hasher);
    return r;
}

void firmware_file_from_digest(const struct firmware *tables, const uint8_t digest[LAUNCH_DIGEST_BYTES],
                               struct firmware_file *ret_file)
{
    *ret_file = (struct firmware_file){ .tables = *tables };
    memcpy(ret_file->digest, digest, sizeof(ret_file->digest));
}

void firmware_file_free(struct firmware_file *file)
{
    free(file->pages);
    EVP_MD_CTX_free(file->sha256);
    *file = FIRMWARE_FILE_NONE;
}
