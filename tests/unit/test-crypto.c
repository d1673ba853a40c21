/* base/crypto: OpenSSL with memory that is wiped when it is given back. What that leaves: tests/vm/test-memory.py. */
#include "unit.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/crypto.h"

static int use_memory(void)
{
    unsigned char digest[32], *memory, *again;
    unsigned size = 0;

    if (crypto_wipe_freed() < 0 || crypto_library_init() < 0)
        return 1;
    memory = OPENSSL_malloc(16);
    if (!memory)
        return 2;
    memset(memory, 'x', 16);
    memory = OPENSSL_realloc(memory, 100000);
    for (size_t i = 0; memory && i < 16; i++)
        if (memory[i] != 'x')
            return 3;
    again = memory ? OPENSSL_realloc(memory, 8) : NULL;
    if (!again || memcmp(again, "xxxxxxxx", 8) != 0)
        return 4;
    OPENSSL_free(again);
    OPENSSL_free(NULL);
    memory = OPENSSL_realloc(NULL, 32);
    if (!memory)
        return 5;
    OPENSSL_free(memory);
    return EVP_Digest("abc", 3, digest, &size, EVP_sha256(), NULL) == 1 && digest[0] == 0xba ? 7 : 6;
}

static int begin_late(void)
{
    if (crypto_library_init() < 0)
        return 1;
    OPENSSL_free(OPENSSL_malloc(16));
    return crypto_wipe_freed() == -EBUSY ? 7 : 2;
}

/* In a process of its own, as it is for the whole of one. */
static void run_and_exit(void *argument)
{
    int (**run)(void) = argument;

    _exit((*run)());
}

static void memory_works_as_before(void **state UNUSED)
{
    int (*run)(void) = use_memory;

    assert_int_equal(WEXITSTATUS(in_child(run_and_exit, &run)), 7);
}

static void it_has_to_come_first(void **state UNUSED)
{
    int (*run)(void) = begin_late;

    assert_int_equal(WEXITSTATUS(in_child(run_and_exit, &run)), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_works_as_before),
        cmocka_unit_test(it_has_to_come_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
