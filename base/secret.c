/* Memory for secrets; what is in it is worth stealing, so the failure to protect it is a failure. */
#include "base/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

/* Private P-256 and P-384 scalars and a few TLS keys: OpenSSL asks for at most some hundred bytes at a time. */
#define SECURE_HEAP_MIN_BYTES 16

/*
 * Where secrets are, for secret_wipe_all(). A slot is taken by its `taken`, and counts once `bytes` is set: a signal
 * may come in between.
 */
static struct {
    atomic_flag taken;
    _Atomic(uint8_t *) bytes;
    _Atomic size_t size;
} live[SECRET_MAX_LIVE] = { [0 ... SECRET_MAX_LIVE - 1] = { .taken = ATOMIC_FLAG_INIT } };

static uint8_t *heap; /* OpenSSL's arena */

static void note_live(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < SECRET_MAX_LIVE; i++)
        if (!atomic_flag_test_and_set(&live[i].taken)) {
            atomic_store(&live[i].size, size);
            atomic_store(&live[i].bytes, bytes);
            return;
        }
}

static void note_size(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < SECRET_MAX_LIVE; i++)
        if (atomic_load(&live[i].bytes) == bytes)
            atomic_store(&live[i].size, size);
}

static void note_gone(const uint8_t *bytes)
{
    for (size_t i = 0; i < SECRET_MAX_LIVE; i++)
        if (atomic_load(&live[i].bytes) == bytes) {
            atomic_store(&live[i].bytes, NULL);
            atomic_flag_clear(&live[i].taken);
        }
}

static size_t round_up(size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

int secret_protect_process(void)
{
    const struct rlimit none = { 0, 0 };

    return setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

/*
 * OpenSSL says of an address whether it lies in its arena, not where that begins: from any block down, a page at a
 * time. Nothing is read there, and no page of the arena is touched that has not been.
 */
static int find_heap(void)
{
    uint8_t *block = OPENSSL_secure_malloc(SECURE_HEAP_MIN_BYTES), *page;

    if (!block)
        return -ENOMEM;
    page = block - (uintptr_t)block % PAGE_BYTES;
    while (CRYPTO_secure_allocated(page - PAGE_BYTES))
        page -= PAGE_BYTES;
    OPENSSL_secure_free(block);
    heap = page;
    return 0;
}

int secret_library_init(void)
{
    int r = secret_protect_process();

    if (r < 0)
        return r;
    if (CRYPTO_secure_malloc_initialized())
        return 0;
    /* 2 means that the heap exists but could not be locked; left there, it would pass for a good one the next time. */
    if (CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_MIN_BYTES) != 1) {
        (void)CRYPTO_secure_malloc_done();
        return -ENOMEM;
    }
    return find_heap();
}

/* One guard page, the data pages, one guard page. */
static int map_guarded(size_t data, uint8_t **ret_data)
{
    uint8_t *base = mmap(NULL, data + 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(base + PAGE_BYTES, data, PROT_READ | PROT_WRITE) < 0 || mlock(base + PAGE_BYTES, data) < 0 ||
        madvise(base + PAGE_BYTES, data, MADV_DONTDUMP) < 0 || madvise(base + PAGE_BYTES, data, MADV_WIPEONFORK) < 0) {
        (void)munmap(base, data + 2 * PAGE_BYTES);
        return -ENOMEM;
    }
    *ret_data = base + PAGE_BYTES;
    return 0;
}

/*
 * Pages that wait for the next secret. Each starts with KEPT_MARK: it reads as zero in a forked child, where the page
 * is no longer locked and so is not to be used.
 */
#define KEPT_MARK UINT64_C(0x6b6570742d706167)

static uint8_t *kept[SECRET_MAX_KEPT];
static size_t kept_count, kept_max;

static void unmap(uint8_t *data, size_t size)
{
    (void)munmap(data - PAGE_BYTES, size + 2 * PAGE_BYTES);
}

void secret_keep_pages(size_t count)
{
    kept_max = count < SECRET_MAX_KEPT ? count : SECRET_MAX_KEPT;
    while (kept_count > kept_max)
        unmap(kept[--kept_count], PAGE_BYTES);
}

static uint8_t *take_kept(void)
{
    while (kept_count) {
        uint8_t *data = kept[--kept_count];
        uint64_t mark;

        memcpy(&mark, data, sizeof(mark));
        if (mark == KEPT_MARK) {
            memset(data, 0, sizeof(mark));
            return data;
        }
        unmap(data, PAGE_BYTES);
    }
    return NULL;
}

/* A page that has been wiped. */
static bool keep(uint8_t *data)
{
    const uint64_t mark = KEPT_MARK;

    if (kept_count >= kept_max)
        return false;
    memcpy(data, &mark, sizeof(mark));
    kept[kept_count++] = data;
    return true;
}

int secret_alloc(size_t size, struct secret *ret_secret)
{
    uint8_t *data = NULL;
    int r;

    if (!size || size > SECRET_MAX_BYTES)
        return -EINVAL;
    if (size <= PAGE_BYTES)
        data = take_kept();
    r = data ? 0 : map_guarded(round_up(size), &data);
    if (r < 0)
        return r;
    *ret_secret = (struct secret){ .bytes = data, .size = size };
    note_live(data, size);
    return 0;
}

int secret_copy(const void *data, size_t size, struct secret *ret_secret)
{
    struct secret secret;
    int r = secret_alloc(size, &secret);

    if (r < 0)
        return r;
    memcpy(secret.bytes, data, size);
    *ret_secret = secret;
    return 0;
}

int secret_random(size_t size, struct secret *ret_secret)
{
    struct secret secret;
    size_t done = 0;
    int r = secret_alloc(size, &secret);

    if (r < 0)
        return r;
    while (done < size) {
        ssize_t got = getrandom(secret.bytes + done, size - done, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            r = -errno;
            secret_free(&secret);
            return r;
        }
        done += (size_t)got;
    }
    *ret_secret = secret;
    return 0;
}

/*
 * secret_free() works the mapping's length out from the size. Whole pages beyond the new end are therefore given back,
 * and the first of them becomes the guard page.
 */
void secret_shrink(struct secret *secret, size_t size)
{
    size_t keep, had;

    if (!size)
        secret_free(secret);
    if (!secret->bytes || size >= secret->size)
        return;
    OPENSSL_cleanse(secret->bytes + size, secret->size - size);
    note_size(secret->bytes, size);
    keep = round_up(size);
    had = round_up(secret->size);
    if (keep < had) {
        (void)munmap(secret->bytes + keep + PAGE_BYTES, had - keep);
        (void)mprotect(secret->bytes + keep, PAGE_BYTES, PROT_NONE);
    }
    secret->size = size;
}

int secret_hand_on(const struct secret *secret)
{
    return madvise(secret->bytes, round_up(secret->size), MADV_KEEPONFORK) < 0 ? -errno : 0;
}

struct secret secret_take(struct secret *secret)
{
    struct secret taken = *secret;

    *secret = SECRET_NONE;
    return taken;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    return a->size == b->size && (!a->size || CRYPTO_memcmp(a->bytes, b->bytes, a->size) == 0);
}

void secret_free(struct secret *secret)
{
    if (!secret->bytes)
        return;
    OPENSSL_cleanse(secret->bytes, secret->size);
    note_gone(secret->bytes);
    if (secret->size > PAGE_BYTES || !keep(secret->bytes))
        unmap(secret->bytes, round_up(secret->size));
    *secret = SECRET_NONE;
}

void secret_wipe_all(void)
{
    for (size_t i = 0; i < SECRET_MAX_LIVE; i++) {
        uint8_t *bytes = atomic_load(&live[i].bytes);

        if (bytes)
            OPENSSL_cleanse(bytes, atomic_load(&live[i].size));
    }
    if (heap)
        OPENSSL_cleanse(heap, SECURE_HEAP_BYTES);
}
