/*
 * The one type for secrets: keys, shared secrets, decrypted payloads.
 *
 * A secret has a mapping of its own: locked in memory, left out of core dumps, zero in a forked child, with
 * inaccessible pages on both sides, wiped when freed. Secrets are bytes, never C strings, and are compared in constant
 * time. OpenSSL's own copies (private keys) live in its secure heap, see secret_library_init().
 */
#pragma once

#include "base/base.h"

/* Volume keys are at most 96 bytes, broker answers at most a few KiB. */
#define SECRET_MAX_BYTES (64u * 1024)
#define SECURE_HEAP_BYTES (256u * 1024) /* of OpenSSL's */

struct secret {
    uint8_t *bytes;
    size_t size;
};

#define SECRET_NONE ((struct secret){ NULL, 0 })

/* Gives the secret away: returns it and leaves none behind. */
struct secret secret_take(struct secret *secret);

/*
 * Once, at the start of a program that handles secrets: no core dumps, not traceable, and OpenSSL's secure heap set up
 * so that private scalars are locked and wiped. Errors: -ENOMEM when memory cannot be locked (RLIMIT_MEMLOCK).
 */
int secret_library_init(void) MUST_CHECK;

/* The part of it that is no memory: no core dumps, not traceable. Errors: -errno. */
int secret_protect_process(void) MUST_CHECK;
/*
 * From now on up to `count` (at most SECRET_MAX_KEPT) wiped pages of freed secrets stay locked for the next ones: for
 * servers, since making such a page takes six system calls. Not for several threads. 0: none is kept, as at the start.
 */
#define SECRET_MAX_KEPT 32
void secret_keep_pages(size_t count);

/* `size` zero bytes, 1 to SECRET_MAX_BYTES. Errors: -EINVAL, -ENOMEM (also when the memory cannot be locked). */
int secret_alloc(size_t size, struct secret *ret_secret) MUST_CHECK;

/* A secret with a copy of `data`; the caller wipes its own. */
int secret_copy(const void *data, size_t size, struct secret *ret_secret) MUST_CHECK;

/* Random bytes from the kernel. */
int secret_random(size_t size, struct secret *ret_secret) MUST_CHECK;

/* Keeps the first `size` bytes and wipes the rest; for 0 bytes that is secret_free(). */
void secret_shrink(struct secret *secret, size_t size);

/* Forked children have it as well from now on, in memory of theirs that is not locked. Errors: -errno. */
int secret_hand_on(const struct secret *secret) MUST_CHECK;

bool secret_equal(const struct secret *a, const struct secret *b);

/* Wipes and unmaps; fine with SECRET_NONE and twice. */
void secret_free(struct secret *secret);

/*
 * For a handler of fatal signals: wipes every secret there is and OpenSSL's secure heap, in place. Async-signal-safe.
 * Nothing that holds a secret may go on afterwards. Of secrets alive at the same time the first SECRET_MAX_LIVE are
 * reached, more than PID 1 ever holds; programs with more of them do not call this.
 */
#define SECRET_MAX_LIVE 64
void secret_wipe_all(void);

#define CLEANUP_SECRET CLEANUP(secret_free)
