/*
 * Hashing a firmware image as it is read, chunk by chunk. What stays is a hash for each page and the image's tail, in
 * which its tables are.
 */
#pragma once

#include "measure/chain.h"
#include "measure/firmware-file.h"

struct firmware_hasher {
    uint64_t size, done;
    uint8_t (*pages)[SHA384_BYTES];
    size_t page_count;
    uint8_t *tail;
    size_t tail_size;
    struct chain chain;
    EVP_MD_CTX *sha256, *sha384; /* of the whole image; NULL when not wanted */
};

/* `size` is a multiple of 4096, at most FIRMWARE_MAX_BYTES. Freed with firmware_hasher_free(), also after -ENOMEM. */
int firmware_hasher_start(struct firmware_hasher *hasher, uint64_t size, bool with_streams) MUST_CHECK;
void firmware_hasher_free(struct firmware_hasher *hasher);

/* The next whole pages. Errors: -EBUSY for more than was said or part of a page, -ENOMEM. */
int firmware_hasher_add(struct firmware_hasher *hasher, const uint8_t *data, size_t size) MUST_CHECK;

/* Parses the tail. Errors as firmware_parse_tail(). */
int firmware_hasher_finish(struct firmware_hasher *hasher, enum firmware_kind kind, uint64_t end_gpa,
                           struct firmware_file *ret_file, struct reason *why) MUST_CHECK;

/* Adds the file's pages to a digest. */
void firmware_chain_pages(struct chain *chain, const struct firmware_file *file);
