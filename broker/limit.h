/*
 * How much of the broker one source may have, and all strangers together: token buckets.
 *
 * A source is an IPv4 address or an IPv6 /64. Each has a bucket; all sources from which no evidence has verified lately
 * share one more, so that a flood from many places does not take the share of guests that are known. The table is
 * bounded: when it is full, the source that was heard of longest ago gives its place up, strangers first.
 */
#pragma once

#include <sys/socket.h>

#include "base/base.h"

#define LIMIT_SOURCES 4096
#define LIMIT_WAYS 8
#define LIMIT_KEY_BYTES 9 /* family, address or prefix */

struct limit_settings {
    uint32_t source_rate; /* tokens a second; 0: no limit */
    uint32_t total_rate;  /* the same, of all strangers */
};

struct limit_source {
    uint8_t key[LIMIT_KEY_BYTES];
    uint64_t known_until_ms;
    uint64_t heard_ms;   /* 0: the place is free */
    uint64_t full_at_us; /* when the bucket is full again: the whole state of a bucket */
};

struct limit {
    struct limit_settings settings;
    uint64_t seed; /* places in the table cannot be foretold */
    uint64_t total_full_at_us;
    struct limit_source sources[LIMIT_SOURCES];
};

/* Errors: -EIO when there is no randomness. */
int limit_init(struct limit *limit, const struct limit_settings *settings) MUST_CHECK;

/* The key of an address. */
void limit_key(const struct sockaddr *address, uint8_t ret_key[LIMIT_KEY_BYTES]);

/* Takes a token; false when there is none. */
bool limit_take(struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms);

/* Evidence from there has verified: it is no stranger for an hour. */
void limit_note_known(struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms);

/* Whether it is known. */
bool limit_is_known(const struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms);
