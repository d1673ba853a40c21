/* Files of a launch. Their names come from the user, their contents and sizes from anybody. */
#include "measure/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "measure/firmware-hasher.h"

/* Fits a second-level cache together with what hashing needs. */
#define CHUNK_BYTES (128u * 1024)

/* One job being worked off. */
struct work {
    struct file_job *job;
    int fd;
    struct stat before;
    uint64_t size;
    int result;
    struct reason why;
};

/* Without O_NONBLOCK the open of a FIFO waits for a writer. */
static int open_file(struct work *work)
{
    const char *path = work->job->path;

    work->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (work->fd < 0 || fstat(work->fd, &work->before) < 0)
        return reason_set(&work->why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(work->before.st_mode))
        return reason_set(&work->why, -EINVAL, "%s: not a regular file", path);
    work->size = (uint64_t)work->before.st_size;
    return 0;
}

static bool has_changed(const struct work *work)
{
    struct stat after;

    return fstat(work->fd, &after) < 0 || after.st_size != work->before.st_size ||
           after.st_mtim.tv_sec != work->before.st_mtim.tv_sec ||
           after.st_mtim.tv_nsec != work->before.st_mtim.tv_nsec;
}

/* A full chunk, or what is left of the file. */
static int read_chunk(int fd, uint8_t *chunk, size_t *ret_size)
{
    size_t size = 0;

    while (size < CHUNK_BYTES) {
        ssize_t n = read(fd, chunk + size, CHUNK_BYTES - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    *ret_size = size;
    return 0;
}

typedef int take_chunk(void *context, const uint8_t *chunk, size_t size);

static int read_through(struct work *work, take_chunk *take, void *context)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    uint64_t done = 0;
    size_t size = 0;
    int r = chunk ? 0 : -ENOMEM;

    for (;;) {
        if (r == 0)
            r = read_chunk(work->fd, chunk, &size);
        if (r < 0 || !size)
            break;
        done += size;
        r = done > work->size ? -EBUSY : take(context, chunk, size);
    }
    if (r < 0)
        return r;
    return done == work->size && !has_changed(work) ? 0 : -EBUSY;
}

static int take_for_digest(void *context, const uint8_t *chunk, size_t size)
{
    return EVP_DigestUpdate(context, chunk, size) == 1 ? 0 : -ENOMEM;
}

static int take_for_firmware(void *context, const uint8_t *chunk, size_t size)
{
    return firmware_hasher_add(context, chunk, size);
}

static int finish_sha256(EVP_MD_CTX *context, uint8_t ret_hash[SHA256_BYTES])
{
    return EVP_DigestFinal_ex(context, ret_hash, NULL) == 1 ? 0 : -ENOMEM;
}

static int hash_plain(struct work *work)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int r = context && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;

    if (r == 0)
        r = read_through(work, take_for_digest, context);
    if (r == 0)
        r = finish_sha256(context, work->job->sha256);
    EVP_MD_CTX_free(context);
    return r;
}

/* The image's own SHA-256 is finished on a copy: SEV and SEV-ES go on from the open one. */
static int close_stream(struct file_job *job)
{
    EVP_MD_CTX *copy;
    int r;

    if (!job->file.sha256)
        return 0;
    copy = EVP_MD_CTX_dup(job->file.sha256);
    r = copy ? finish_sha256(copy, job->sha256) : -ENOMEM;
    EVP_MD_CTX_free(copy);
    return r;
}

static int hash_firmware(struct work *work)
{
    struct firmware_hasher hasher = { .pages = NULL };
    struct file_job *job = work->job;
    int r = firmware_check_size(work->size, &work->why);

    if (r == 0)
        r = firmware_hasher_start(&hasher, work->size, job->streams);
    if (r == 0)
        r = read_through(work, take_for_firmware, &hasher);
    if (r == 0)
        r = firmware_hasher_finish(&hasher, job->kind, job->end_gpa, &job->file, &work->why);
    if (r == 0)
        r = close_stream(job);
    firmware_hasher_free(&hasher);
    return r;
}

static void do_work(struct work *work)
{
    const char *path = work->job->path;
    int r = work->job->firmware ? hash_firmware(work) : hash_plain(work);

    if (r == -EBUSY)
        (void)reason_set(&work->why, r, "%s: changed while it was read", path);
    else if (r == -EBADMSG)
        reason_prefix(&work->why, path);
    else if (r < 0)
        (void)reason_set(&work->why, r, "%s: cannot be read: %s", path, strerror(-r));
    work->result = r;
}

/* What threads share: the largest file is taken first. */
struct pool {
    struct work *works[FILE_JOBS_MAX];
    size_t count;
    atomic_size_t next;
};

static void *work_off(void *argument)
{
    struct pool *pool = argument;

    for (;;) {
        size_t i = atomic_fetch_add(&pool->next, 1);

        if (i >= pool->count)
            return NULL;
        do_work(pool->works[i]);
    }
}

static int by_size(const void *a, const void *b)
{
    const struct work *const *left = a, *const *right = b;

    return ((*left)->size < (*right)->size) - ((*left)->size > (*right)->size);
}

static size_t processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

/* Where a thread cannot be had, the others do its work. */
static void run_pool(struct pool *pool)
{
    size_t wanted = processors(), started = 0;
    pthread_t threads[FILE_JOBS_MAX];

    if (wanted > pool->count)
        wanted = pool->count;
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, work_off, pool) == 0)
        started++;
    (void)work_off(pool);
    while (started)
        (void)pthread_join(threads[--started], NULL);
}

static int first_failure(const struct work *works, size_t count, struct reason *why)
{
    for (size_t i = 0; i < count; i++)
        if (works[i].result < 0) {
            if (why)
                *why = works[i].why;
            return works[i].result;
        }
    return 0;
}

int files_read(struct file_job *jobs, size_t count, struct reason *why)
{
    struct work works[FILE_JOBS_MAX] = { { .fd = -1 } };
    struct pool pool = { .count = count };
    int r;

    if (count > FILE_JOBS_MAX)
        return reason_set(why, -EINVAL, "%zu files at once, expected at most %u", count, FILE_JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        works[i] = (struct work){ .job = &jobs[i], .fd = -1 };
        pool.works[i] = &works[i];
        works[i].result = open_file(&works[i]);
    }
    r = first_failure(works, count, why);
    if (r == 0) {
        qsort(pool.works, count, sizeof(pool.works[0]), by_size);
        run_pool(&pool);
        r = first_failure(works, count, why);
    }
    for (size_t i = 0; i < count; i++) {
        fd_close(&works[i].fd);
        if (r < 0)
            firmware_file_free(&jobs[i].file);
    }
    return r;
}
