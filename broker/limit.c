/* Token buckets; sources choose their addresses and their pace. */
#include "broker/limit.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <string.h>

/* A bucket holds what comes in so long: a guest's few messages at once, and some that share its address. */
#define BURST_MS 4000u
#define KNOWN_MS 3600000u

int limit_init(struct limit *limit, const struct limit_settings *settings)
{
    memset(limit, 0, sizeof(*limit));
    limit->settings = *settings;
    return RAND_bytes((unsigned char *)&limit->seed, sizeof(limit->seed)) == 1 ? 0 : -EIO;
}

void limit_key(const struct sockaddr *address, uint8_t ret_key[LIMIT_KEY_BYTES])
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    memset(ret_key, 0, LIMIT_KEY_BYTES);
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof(four));
        ret_key[0] = 4;
        memcpy(ret_key + 1, &four.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof(six));
        ret_key[0] = 6;
        memcpy(ret_key + 1, &six.sin6_addr, 8);
    }
}

/* Where the set of places begins that a key may have. */
static size_t set_of(const struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES])
{
    uint64_t hash = limit->seed;

    for (size_t i = 0; i < LIMIT_KEY_BYTES; i++)
        hash = (hash ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    return (size_t)(hash % (LIMIT_SOURCES / LIMIT_WAYS)) * LIMIT_WAYS;
}

static const struct limit_source *look(const struct limit_source *set, const uint8_t key[LIMIT_KEY_BYTES])
{
    for (size_t i = 0; i < LIMIT_WAYS; i++)
        if (set[i].heard_ms && memcmp(set[i].key, key, LIMIT_KEY_BYTES) == 0)
            return &set[i];
    return NULL;
}

/* The source's place, its own or one that was given up for it. */
static struct limit_source *place_of(struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms)
{
    struct limit_source *set = limit->sources + set_of(limit, key), *oldest = set;
    const struct limit_source *found = look(set, key);

    if (found)
        return set + (found - set);
    for (size_t i = 1; i < LIMIT_WAYS; i++) {
        bool known = set[i].known_until_ms > at_ms, oldest_known = oldest->known_until_ms > at_ms;

        if (known != oldest_known ? !known : set[i].heard_ms < oldest->heard_ms)
            oldest = &set[i];
    }
    memset(oldest, 0, sizeof(*oldest));
    memcpy(oldest->key, key, LIMIT_KEY_BYTES);
    return oldest;
}

/*
 * A bucket is the moment at which it will be full: each token moves it by 1/rate into the future, and at most by the
 * burst.
 */
static bool take(uint64_t *full_at, uint64_t at, uint64_t burst, uint64_t cost)
{
    uint64_t full = *full_at > at ? *full_at : at;

    if (full + cost > at + burst)
        return false;
    *full_at = full + cost;
    return true;
}

bool limit_take(struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms)
{
    struct limit_source *source = place_of(limit, key, at_ms);
    const uint64_t at_us = 1000 * at_ms, burst_us = 1000 * BURST_MS;
    bool known = source->known_until_ms > at_ms;

    source->heard_ms = at_ms ? at_ms : 1;
    if (limit->settings.source_rate &&
        !take(&source->full_at_us, at_us, burst_us, 1000000u / limit->settings.source_rate))
        return false;
    return known || !limit->settings.total_rate ||
           take(&limit->total_full_at_us, at_us, burst_us, 1000000u / limit->settings.total_rate);
}

void limit_note_known(struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms)
{
    struct limit_source *source = place_of(limit, key, at_ms);

    source->heard_ms = at_ms ? at_ms : 1;
    source->known_until_ms = at_ms + KNOWN_MS;
}

bool limit_is_known(const struct limit *limit, const uint8_t key[LIMIT_KEY_BYTES], uint64_t at_ms)
{
    const struct limit_source *found = look(limit->sources + set_of(limit, key), key);

    return found && found->known_until_ms > at_ms;
}
