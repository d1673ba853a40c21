/* Between the halves of records: what guests verify is what brokers sign. */
#pragma once

#include <string.h>

#include "release/record.h"

#define RECORD_MAGIC_BYTES 8
#define RECORD_ACKNOWLEDGEMENT_MAX_BYTES                                                                               \
    (RECORD_MAGIC_BYTES + RELEASE_NONCE_BYTES + SHA384_BYTES + 8 + 2 + RELEASE_MAX_RESOURCE_BYTES)

/* Appends into a secret that was allocated large enough. */
struct record_writer {
    uint8_t *at;
};

static inline void record_put(struct record_writer *writer, const void *data, size_t size)
{
    memcpy(writer->at, data, size);
    writer->at += size;
}

/* record_parse() over bytes. */
int record_take(const uint8_t *bytes, size_t size, struct record *ret_record, struct secret *ret_key,
                struct reason *why) MUST_CHECK;

/* What an acknowledgement signs; its size, or 0 when the resource is too long. */
size_t record_write_acknowledgement(const char *resource, const struct record_binding *binding, uint64_t epoch,
                                    uint8_t ret_text[RECORD_ACKNOWLEDGEMENT_MAX_BYTES]);
