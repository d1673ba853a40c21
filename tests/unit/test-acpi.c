/* init/acpi: the digest depends on every byte of every table, on their names, and on nothing else. */
#include "unit.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/file.h"
#include "init/acpi.h"

static char directory[64];

static void put(const char *name, const void *data, size_t size)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(file_write(path, 0600, data, size, NULL), 0);
}

static void drop(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

static int make_directory(void **state UNUSED)
{
    memcpy(directory, "/tmp/acpi-XXXXXX", sizeof("/tmp/acpi-XXXXXX"));
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state UNUSED)
{
    return rmdir(directory);
}

static void tables_are_hashed_by_name_size_and_contents(void **state UNUSED)
{
    static const uint8_t text[] = "APIC\0\3\0\0\0\0\0\0\0abcDSDT\0\1\0\0\0\0\0\0\0x";
    uint8_t wanted[ACPI_DIGEST_BYTES], found[ACPI_DIGEST_BYTES], other[ACPI_DIGEST_BYTES];
    unsigned count = 0;

    put("DSDT", "x", 1);
    put("APIC", "abc", 3);
    assert_int_equal(EVP_Digest(text, sizeof(text) - 1, wanted, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(acpi_digest(directory, found, &count), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(found, wanted, sizeof(wanted));
    put("APIC", "abd", 3);
    assert_int_equal(acpi_digest(directory, other, &count), 0);
    assert_memory_not_equal(other, found, sizeof(found));
    drop("DSDT");
    drop("APIC");
}

static void what_is_no_set_of_tables_is_an_error(void **state UNUSED)
{
    uint8_t found[ACPI_DIGEST_BYTES] = { 7 };
    static uint8_t large[1024 * 1024 + 1];
    unsigned count = 7;

    assert_int_equal(acpi_digest("/nonexistent", found, &count), -ENOENT);
    assert_int_equal(acpi_digest(directory, found, &count), -ENOENT);
    put("DSDT", large, sizeof(large));
    assert_int_equal(acpi_digest(directory, found, &count), -EFBIG);
    drop("DSDT");
    for (int i = 0; i < 257; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "SSDT%d", i);
        put(name, "x", 1);
    }
    assert_int_equal(acpi_digest(directory, found, &count), -E2BIG);
    for (int i = 0; i < 257; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "SSDT%d", i);
        drop(name);
    }
    assert_true(found[0] == 7 && count == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_hashed_by_name_size_and_contents),
        cmocka_unit_test(what_is_no_set_of_tables_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
