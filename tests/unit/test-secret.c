/*
 * base/secret: locked, left out of dumps, zero in children, fenced by guard pages, wiped before it is given back.
 *
 * The system calls that secret.c makes go through functions of this file: they look at memory before it is unmapped,
 * and let each call fail in turn.
 */
#include "unit.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/cursor.h"
#include "base/secret.h"

#define NOBODY 65534

/* The n-th call of a kind fails, counted from 1; 0: none does. */
static int fail_mmap, fail_mprotect, fail_mlock, fail_madvise, fail_getrandom;
static int getrandom_errno;
static size_t getrandom_most = SIZE_MAX, getrandom_asked;
static bool watch_unmap;
static size_t unmapped_bytes, unmapped_dirty_bytes;

static bool fails(int *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails(&fail_mmap)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int mprotect(void *at, size_t size, int protection)
{
    if (fails(&fail_mprotect)) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_mprotect, at, size, protection);
}

int mlock(const void *at, size_t size)
{
    if (fails(&fail_mlock)) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_mlock, at, size);
}

int madvise(void *at, size_t size, int advice)
{
    if (fails(&fail_madvise)) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, at, size, advice);
}

int munmap(void *at, size_t size)
{
    if (watch_unmap) {
        unmapped_bytes += size;
        (void)syscall(SYS_mprotect, at, size, PROT_READ); /* the guard pages as well */
        for (size_t i = 0; i < size; i++)
            unmapped_dirty_bytes += ((const uint8_t *)at)[i] != 0;
    }
    return (int)syscall(SYS_munmap, at, size);
}

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    if (fails(&fail_getrandom)) {
        errno = getrandom_errno;
        return -1;
    }
    getrandom_asked = size;
    return syscall(SYS_getrandom, to, size < getrandom_most ? size : getrandom_most, flags);
}

static size_t pages(size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* The permissions and VmFlags of the mapping that holds `at`; false when nothing is mapped there. */
static bool mapping_of(const void *at, char ret_permissions[5], char ret_flags[128])
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false, found = false;

    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps)) {
        char *end, permissions[5] = "";
        unsigned long from = strtoul(line, &end, 16), to;

        if (*end == '-') {
            to = strtoul(end + 1, &end, 16);
            memcpy(permissions, end + 1, 4);
            inside = (unsigned long)(uintptr_t)at >= from && (unsigned long)(uintptr_t)at < to;
            if (inside) {
                memcpy(ret_permissions, permissions, 5);
                found = true;
            }
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            (void)snprintf(ret_flags, 128, "%.127s", line + 8);
        }
    }
    assert_int_equal(fclose(smaps), 0);
    return found;
}

static bool mapped(const void *at)
{
    char permissions[5], flags[128];

    return mapping_of(at, permissions, flags);
}

static void assert_fenced(const struct secret *secret)
{
    char permissions[5], flags[128];

    assert_true(mapping_of(secret->bytes, permissions, flags));
    assert_string_equal(permissions, "rw-p");
    assert_non_null(strstr(flags, " lo")); /* locked */
    assert_non_null(strstr(flags, " dd")); /* not in dumps */
    assert_non_null(strstr(flags, " wf")); /* wiped on fork */
    assert_true(mapping_of(secret->bytes - 1, permissions, flags));
    assert_string_equal(permissions, "---p");
    assert_true(mapping_of(secret->bytes + pages(secret->size), permissions, flags));
    assert_string_equal(permissions, "---p");
}

static const size_t sizes[] = { 1, 32, 4095, 4096, 4097, 8192, SECRET_MAX_BYTES - 1, SECRET_MAX_BYTES };

static void gives_zeroed_fenced_memory(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct secret secret;

        assert_int_equal(secret_alloc(sizes[i], &secret), 0);
        assert_int_equal(secret.size, sizes[i]);
        assert_true(all_zero(secret.bytes, pages(sizes[i])));
        assert_fenced(&secret);
        secret_free(&secret);
    }
}

static void refuses_other_sizes(void **state UNUSED)
{
    struct secret secret = SECRET_NONE;

    assert_int_equal(secret_alloc(0, &secret), -EINVAL);
    assert_int_equal(secret_alloc(SECRET_MAX_BYTES + 1, &secret), -EINVAL);
    assert_int_equal(secret_alloc(SIZE_MAX, &secret), -EINVAL);
    assert_int_equal(secret_copy("", 0, &secret), -EINVAL);
    assert_int_equal(secret_random(0, &secret), -EINVAL);
    assert_null(secret.bytes);
}

static void touch(void *at)
{
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would end the child otherwise */
    *(volatile uint8_t *)at = 1;
}

static void faults_on_both_sides(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct secret secret;
        int status;

        assert_int_equal(secret_alloc(sizes[i], &secret), 0);
        status = in_child(touch, secret.bytes - 1);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        status = in_child(touch, secret.bytes + pages(sizes[i]));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        assert_int_equal(in_child(touch, secret.bytes + sizes[i] - 1), 0);
        secret_free(&secret);
    }
}

static void exit_with_zeros(void *argument)
{
    const struct secret *secret = argument;

    _exit(all_zero(secret->bytes, secret->size) ? 7 : 8);
}

static void is_zero_in_a_forked_child(void **state UNUSED)
{
    struct secret secret;
    int status;

    assert_int_equal(secret_random(5000, &secret), 0);
    status = in_child(exit_with_zeros, &secret);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_false(all_zero(secret.bytes, secret.size)); /* the parent keeps it */
    secret_free(&secret);
}

static void copies_and_compares(void **state UNUSED)
{
    struct secret a, b, c, none = SECRET_NONE;

    assert_int_equal(secret_copy("abcdefgh", 8, &a), 0);
    assert_int_equal(secret_copy("abcdefgh", 8, &b), 0);
    assert_int_equal(secret_copy("abcdefgx", 8, &c), 0);
    assert_memory_equal(a.bytes, "abcdefgh", 8);
    assert_true(secret_equal(&a, &b));
    assert_false(secret_equal(&a, &c));
    assert_false(secret_equal(&a, &none));
    assert_true(secret_equal(&none, &none));
    c.bytes[7] = 'h';
    assert_true(secret_equal(&a, &c));
    secret_free(&a);
    secret_free(&b);
    secret_free(&c);
}

/* Pages that are kept are wiped, still fenced, and not for a child, whose memory is not locked. */
static void exit_when_fenced(void *context UNUSED)
{
    struct secret secret;

    if (secret_alloc(32, &secret) < 0)
        _exit(1);
    assert_fenced(&secret);
    _exit(all_zero(secret.bytes, PAGE_BYTES) ? 7 : 8);
}

static void keeps_pages_that_it_is_told_to(void **state UNUSED)
{
    struct secret secrets[4];
    const uint8_t *first;
    int status;

    secret_keep_pages(2);
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        assert_int_equal(secret_random(PAGE_BYTES, &secrets[i]), 0);
    first = secrets[0].bytes;
    unmapped_bytes = 0;
    watch_unmap = true;
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        secret_free(&secrets[i]);
    watch_unmap = false;
    assert_int_equal(unmapped_bytes, 2 * 3 * PAGE_BYTES); /* two of four were kept */
    assert_int_equal(unmapped_dirty_bytes, 0);
    assert_true(mapped(first));
    assert_true(all_zero(first + sizeof(uint64_t), PAGE_BYTES - sizeof(uint64_t)));
    status = in_child(exit_when_fenced, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    fail_mmap = 1; /* is not called for a kept page */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(secret_alloc(48, &secrets[i]), 0);
        assert_true(all_zero(secrets[i].bytes, PAGE_BYTES));
        assert_fenced(&secrets[i]);
    }
    assert_int_equal(fail_mmap, 1);
    assert_int_equal(secret_alloc(48, &secrets[2]), -ENOMEM);
    assert_int_equal(secret_alloc(PAGE_BYTES + 1, &secrets[2]), 0);
    secret_shrink(&secrets[2], 10); /* one page now */
    for (size_t i = 0; i < 3; i++)
        secret_free(&secrets[i]);
    secret_keep_pages(0);
    assert_false(mapped(first));
}

static void gives_random_bytes(void **state UNUSED)
{
    struct secret a, b;

    assert_int_equal(secret_random(64, &a), 0);
    assert_int_equal(secret_random(64, &b), 0);
    assert_false(secret_equal(&a, &b));
    assert_false(all_zero(a.bytes + 32, 32));
    secret_free(&a);
    secret_free(&b);
}

static void gives_randomness_at_every_place(void **state UNUSED)
{
    uint8_t any[33] = { 0 };

    for (int i = 0; i < 64; i++) {
        struct secret a;

        assert_int_equal(secret_random(sizeof(any), &a), 0);
        for (size_t k = 0; k < sizeof(any); k++)
            any[k] |= a.bytes[k];
        secret_free(&a);
    }
    for (size_t k = 0; k < sizeof(any); k++)
        assert_int_not_equal(any[k], 0);
}

static void collects_random_bytes_in_pieces(void **state UNUSED)
{
    struct secret a;

    getrandom_most = 7; /* the last piece is one byte; more would hit the guard page */
    assert_int_equal(secret_random(PAGE_BYTES, &a), 0);
    assert_int_equal(getrandom_asked, 1);
    secret_free(&a);

    getrandom_most = 7;
    fail_getrandom = 2;
    getrandom_errno = EINTR;
    assert_int_equal(secret_random(64, &a), 0);
    getrandom_most = SIZE_MAX;
    assert_int_equal(fail_getrandom, 0);
    for (size_t i = 0; i < 64; i += 8)
        assert_false(all_zero(a.bytes + i, 8));
    secret_free(&a);
}

static void gives_no_half_random_secret(void **state UNUSED)
{
    struct secret a = SECRET_NONE;

    getrandom_most = 7;
    fail_getrandom = 3;
    getrandom_errno = ENOSYS;
    watch_unmap = true;
    unmapped_bytes = unmapped_dirty_bytes = 0;
    assert_int_equal(secret_random(64, &a), -ENOSYS);
    watch_unmap = false;
    getrandom_most = SIZE_MAX;
    assert_null(a.bytes);
    assert_int_equal(unmapped_bytes, 3 * PAGE_BYTES);
    assert_int_equal(unmapped_dirty_bytes, 0);
}

static void wipes_before_it_unmaps(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct secret secret;
        uint8_t *at;

        assert_int_equal(secret_alloc(sizes[i], &secret), 0);
        memset(secret.bytes, 0xa5, sizes[i]);
        at = secret.bytes;
        watch_unmap = true;
        unmapped_bytes = unmapped_dirty_bytes = 0;
        secret_free(&secret);
        watch_unmap = false;
        assert_int_equal(unmapped_bytes, pages(sizes[i]) + 2 * PAGE_BYTES);
        assert_int_equal(unmapped_dirty_bytes, 0);
        assert_null(secret.bytes);
        assert_int_equal(secret.size, 0);
        assert_false(mapped(at));
        assert_false(mapped(at - 1));
        secret_free(&secret); /* twice */
    }
}

static void shrink_to(size_t from, size_t to)
{
    struct secret secret;
    uint8_t *at;

    assert_int_equal(secret_alloc(from, &secret), 0);
    at = secret.bytes;
    memset(at, 0xa5, from);
    watch_unmap = true;
    unmapped_bytes = unmapped_dirty_bytes = 0;
    secret_shrink(&secret, to);
    watch_unmap = false;
    assert_int_equal(secret.size, to);
    assert_ptr_equal(secret.bytes, at);
    assert_int_equal(unmapped_bytes, pages(from) - pages(to));
    assert_int_equal(unmapped_dirty_bytes, 0);
    for (size_t i = 0; i < to; i++)
        assert_int_equal(at[i], 0xa5);
    assert_true(all_zero(at + to, pages(to) - to));
    assert_fenced(&secret);
    if (pages(to) < pages(from))
        assert_false(mapped(at + pages(to) + PAGE_BYTES));
    secret_free(&secret);
    assert_false(mapped(at));
    assert_false(mapped(at - 1));
    assert_false(mapped(at + pages(to)));
}

static void wipes_what_it_shrinks_away(void **state UNUSED)
{
    shrink_to(64, 63);
    shrink_to(4096, 1);
    shrink_to(4097, 4096);
    shrink_to(8192, 4097);
    shrink_to(SECRET_MAX_BYTES, 1);
    shrink_to(SECRET_MAX_BYTES, 20000);
}

static void has_nothing_left_when_shrunk_to_nothing(void **state UNUSED)
{
    struct secret secret;

    assert_int_equal(secret_copy("abcd", 4, &secret), 0);
    watch_unmap = true;
    unmapped_bytes = unmapped_dirty_bytes = 0;
    secret_shrink(&secret, 0);
    watch_unmap = false;
    assert_int_equal(secret.size, 0);
    assert_null(secret.bytes);
    assert_int_equal(unmapped_bytes, 3 * PAGE_BYTES);
    assert_int_equal(unmapped_dirty_bytes, 0);
}

static void does_not_grow(void **state UNUSED)
{
    struct secret secret, none = SECRET_NONE;

    assert_int_equal(secret_copy("abcd", 4, &secret), 0);
    secret_shrink(&secret, 4);
    secret_shrink(&secret, 5);
    assert_int_equal(secret.size, 4);
    assert_memory_equal(secret.bytes, "abcd", 4);
    secret_free(&secret);
    secret_shrink(&none, 0);
    assert_null(none.bytes);
}

/* One system call after the other fails: no secret, and nothing stays mapped. */
static void fails_when_it_cannot_protect(void **state UNUSED)
{
    static const struct {
        int *which;
        int call;
        size_t unmapped;
    } cases[] = {
        { &fail_mmap, 1, 0 },
        { &fail_mprotect, 1, 3 * PAGE_BYTES },
        { &fail_mlock, 1, 3 * PAGE_BYTES },
        { &fail_madvise, 1, 3 * PAGE_BYTES },
        { &fail_madvise, 2, 3 * PAGE_BYTES },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct secret secret = SECRET_NONE;

        for (int kind = 0; kind < 3; kind++) {
            *cases[i].which = cases[i].call;
            watch_unmap = true;
            unmapped_bytes = 0;
            assert_int_equal(kind == 0   ? secret_alloc(10, &secret)
                             : kind == 1 ? secret_copy("0123456789", 10, &secret)
                                         : secret_random(10, &secret),
                             -ENOMEM);
            watch_unmap = false;
            assert_int_equal(*cases[i].which, 0);
            assert_int_equal(unmapped_bytes, cases[i].unmapped);
            assert_null(secret.bytes);
        }
    }
}

/* As a user who may not lock memory. */
static void become_unable_to_lock(void)
{
    const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        _exit(1);
}

static void alloc_without_locking(void *argument UNUSED)
{
    struct secret secret = SECRET_NONE;

    become_unable_to_lock();
    _exit(secret_alloc(32, &secret) == -ENOMEM && !secret.bytes ? 7 : 8);
}

static void fails_when_memory_cannot_be_locked(void **state UNUSED)
{
    int status = in_child(alloc_without_locking, NULL);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        skip(); /* needs root, to become nobody */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void initialise(void *argument UNUSED)
{
    struct rlimit core;
    void *scalar;

    if (secret_library_init() != 0 || getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur || core.rlim_max)
        _exit(1);
    if (prctl(PR_GET_DUMPABLE) != 0 || !CRYPTO_secure_malloc_initialized())
        _exit(2);
    scalar = OPENSSL_secure_malloc(48);
    if (!scalar || !CRYPTO_secure_allocated(scalar))
        _exit(3);
    OPENSSL_secure_free(scalar);
    _exit(secret_library_init() == 0 ? 7 : 4); /* a second time does no harm */
}

static void sets_the_process_up(void **state UNUSED)
{
    int status = in_child(initialise, NULL);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void initialise_without_locking(void *argument UNUSED)
{
    become_unable_to_lock();
    if (secret_library_init() != -ENOMEM)
        _exit(2);
    _exit(secret_library_init() == -ENOMEM ? 7 : 8); /* nor at the second try */
}

static void refuses_a_heap_that_is_not_locked(void **state UNUSED)
{
    int status = in_child(initialise_without_locking, NULL);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        skip(); /* needs root, to become nobody */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_fenced_memory),
        cmocka_unit_test(refuses_other_sizes),
        cmocka_unit_test(faults_on_both_sides),
        cmocka_unit_test(is_zero_in_a_forked_child),
        cmocka_unit_test(copies_and_compares),
        cmocka_unit_test(keeps_pages_that_it_is_told_to),
        cmocka_unit_test(gives_random_bytes),
        cmocka_unit_test(gives_randomness_at_every_place),
        cmocka_unit_test(collects_random_bytes_in_pieces),
        cmocka_unit_test(gives_no_half_random_secret),
        cmocka_unit_test(wipes_before_it_unmaps),
        cmocka_unit_test(wipes_what_it_shrinks_away),
        cmocka_unit_test(has_nothing_left_when_shrunk_to_nothing),
        cmocka_unit_test(does_not_grow),
        cmocka_unit_test(fails_when_it_cannot_protect),
        cmocka_unit_test(fails_when_memory_cannot_be_locked),
        cmocka_unit_test(sets_the_process_up),
        cmocka_unit_test(refuses_a_heap_that_is_not_locked),
    };

    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
