/* The table of sessions. Cookies are MACs of ours, so nobody chooses the bucket that a session lands in. */
#include "broker/session.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/cursor.h"

static size_t bucket_of(const uint8_t id[NONCE_SESSION_BYTES])
{
    return get_u16le(id) % SESSION_BUCKETS;
}

const struct session *session_find(const struct sessions *sessions, const uint8_t id[NONCE_SESSION_BYTES],
                                   uint64_t at_ms)
{
    for (const struct session *s = sessions->buckets[bucket_of(id)]; s; s = s->next)
        if (CRYPTO_memcmp(s->id, id, NONCE_SESSION_BYTES) == 0)
            return at_ms < s->expires_ms ? s : NULL;
    return NULL;
}

void sessions_expire(struct sessions *sessions, uint64_t at_ms)
{
    for (size_t i = 0; i < SESSION_BUCKETS; i++) {
        struct session **link = &sessions->buckets[i];

        while (*link) {
            struct session *s = *link;

            if (at_ms < s->expires_ms) {
                link = &s->next;
                continue;
            }
            *link = s->next;
            free(s);
            sessions->count--;
        }
    }
}

bool sessions_full(struct sessions *sessions, uint64_t at_ms)
{
    if (sessions->count >= sessions->max)
        sessions_expire(sessions, at_ms);
    return sessions->count >= sessions->max;
}

int session_add(struct sessions *sessions, const struct session *session)
{
    struct session *copy, **head = &sessions->buckets[bucket_of(session->id)];

    if (sessions->count >= sessions->max)
        return -ENOSPC;
    copy = malloc(sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    *copy = *session;
    copy->next = *head;
    *head = copy;
    sessions->count++;
    return 0;
}

void sessions_free(struct sessions *sessions)
{
    sessions_expire(sessions, UINT64_MAX);
}
