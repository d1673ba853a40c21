/* luks/keyslot: keyslots that libcryptsetup made open to its volume key, under their passphrase alone. */
#include "unit.h"

#include <fcntl.h>
#include <libcryptsetup.h>

#include "base/file.h"
#include "luks/keyslot.h"

#define DISK_BYTES (33u << 20)
#define PASSPHRASE "32 characters of Trustee's make."

static char disk_path[] = "/tmp/postern-keyslot.XXXXXX";
static uint8_t volume_key[64];

/* A disk with one keyslot, as `cryptsetup luksFormat` leaves it. */
static int format(const struct crypt_pbkdf_type *pbkdf)
{
    struct crypt_params_luks2 parameters = { .sector_size = 4096, .pbkdf = pbkdf };
    struct crypt_device *device = NULL;
    int disk = open(disk_path, O_RDWR | O_TRUNC | O_CLOEXEC);

    assert_true(disk >= 0 && ftruncate(disk, DISK_BYTES) == 0);
    random_fill(volume_key, sizeof(volume_key));
    assert_int_equal(crypt_init(&device, disk_path), 0);
    assert_int_equal(crypt_set_pbkdf_type(device, pbkdf), 0);
    assert_int_equal(crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", NULL, (const char *)volume_key,
                                  sizeof(volume_key), &parameters), 0);
    assert_int_equal(crypt_keyslot_add_by_volume_key(device, 0, (const char *)volume_key, sizeof(volume_key),
                                                     PASSPHRASE, strlen(PASSPHRASE)), 0);
    crypt_free(device);
    return disk;
}

static struct header read_header(int disk)
{
    static uint8_t bytes[HEADER_BYTES];
    struct header header;
    struct reason why = { "" };

    assert_int_equal(header_read(disk, 0, bytes), 0);
    if (header_parse(bytes, sizeof(bytes), NULL, &header, NULL, &why) < 0)
        fail_msg("%s", why.text);
    return header;
}

static int open_with(int disk, const struct header *header, const char *passphrase, struct secret *ret_key,
                     struct reason *why)
{
    CLEANUP_SECRET struct secret secret = SECRET_NONE;

    assert_int_equal(secret_copy(passphrase, strlen(passphrase), &secret), 0);
    return keyslot_open(disk, 0, header, &secret, ret_key, why);
}

static const struct crypt_pbkdf_type kinds[] = {
    { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1000, .flags = CRYPT_PBKDF_NO_BENCHMARK },
    { .type = CRYPT_KDF_ARGON2ID, .hash = "sha256", .iterations = 4, .max_memory_kb = 4096, .parallel_threads = 1,
      .flags = CRYPT_PBKDF_NO_BENCHMARK },
    { .type = CRYPT_KDF_ARGON2ID, .hash = "sha256", .iterations = 5, .max_memory_kb = 32768, .parallel_threads = 4,
      .flags = CRYPT_PBKDF_NO_BENCHMARK },
};

static void passphrases_open_what_libcryptsetup_made(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        CLEANUP_FD int disk = format(&kinds[i]);
        struct header header = read_header(disk);
        struct reason why = { "" };

        if (open_with(disk, &header, PASSPHRASE, &key, &why) < 0)
            fail_msg("%zu: %s", i, why.text);
        assert_int_equal(key.size, sizeof(volume_key));
        assert_memory_equal(key.bytes, volume_key, sizeof(volume_key));
        assert_int_equal(header_check_key(&header, &key), 0);
    }
}

static void other_passphrases_give_other_keys(void **state UNUSED)
{
    static const char *const others[] = { "32 characters of Trustee's make", "32 characters of Trustee's make.\n", "x" };
    CLEANUP_FD int disk = format(&kinds[0]);
    struct header header = read_header(disk);

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        struct reason why = { "" };

        assert_int_equal(open_with(disk, &header, others[i], &key, &why), 0);
        assert_int_equal(header_check_key(&header, &key), -EKEYREJECTED);
    }
}

/* One bit anywhere in the area, or in what the key derivation is told, and no key comes out. */
static void a_changed_area_gives_another_key(void **state UNUSED)
{
    CLEANUP_FD int disk = format(&kinds[0]);
    struct header header = read_header(disk), changed;

    for (size_t i = 0; i < 4; i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        off_t at = (off_t)(header.keyslot.area_offset + i * 85333);
        struct reason why = { "" };
        uint8_t byte;

        assert_int_equal(pread(disk, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(disk, &byte, 1, at), 1);
        assert_int_equal(open_with(disk, &header, PASSPHRASE, &key, &why), 0);
        assert_int_equal(header_check_key(&header, &key), -EKEYREJECTED);
        byte ^= 0x10;
        assert_int_equal(pwrite(disk, &byte, 1, at), 1);
    }
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        struct reason why = { "" };

        changed = header;
        changed.keyslot.iterations += i == 0;
        changed.keyslot.salt[0] ^= (uint8_t)i;
        assert_int_equal(open_with(disk, &changed, PASSPHRASE, &key, &why), 0);
        assert_int_equal(header_check_key(&header, &key), -EKEYREJECTED);
    }
}

static void what_cannot_be_opened_is_named(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    CLEANUP_FD int disk = format(&kinds[0]);
    struct header header = read_header(disk), changed = header;
    struct reason why = { "" };

    changed.has_keyslot = false;
    assert_int_equal(open_with(disk, &changed, PASSPHRASE, &key, &why), -ENOENT);
    assert_reason(&why, "no keyslot");
    changed = header;
    changed.keyslot.area_offset = DISK_BYTES - 4096;
    assert_int_equal(open_with(disk, &changed, PASSPHRASE, &key, &why), -ENODATA);
    assert_reason(&why, "the keyslot cannot be read");
    assert_null(key.bytes);
}

static int make_disk(void **state UNUSED)
{
    int fd = mkstemp(disk_path);

    return fd < 0 ? -1 : close(fd);
}

static int remove_disk(void **state UNUSED)
{
    return unlink(disk_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passphrases_open_what_libcryptsetup_made),
        cmocka_unit_test(other_passphrases_give_other_keys),
        cmocka_unit_test(a_changed_area_gives_another_key),
        cmocka_unit_test(what_cannot_be_opened_is_named),
    };

    return cmocka_run_group_tests(tests, make_disk, remove_disk);
}
