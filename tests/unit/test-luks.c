/* luks/: the tables that the kernel gets, sector encryption, and volumes that stock cryptsetup would open. */
#include "unit.h"

#include <fcntl.h>
#include <libcryptsetup.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/file.h"
#include "luks/create.h"
#include "luks/crypt.h"
#include "luks/keyring.h"
#include "luks/verity.h"
#include "luks/xts.h"

static const struct crypt_volume right_volume = {
    .name = "data", .cipher = "aes-xts-plain64", .sector_size = 4096, .offset = 16777216, .length = 33554432
};

static void crypt_tables_are_exact(void **state UNUSED)
{
    struct crypt_volume small = right_volume;
    struct dm_table table;

    assert_int_equal(crypt_table(&right_volume, "254:16", 64, &table), 0);
    assert_string_equal(table.name, "data");
    assert_string_equal(table.target, "crypt");
    assert_int_equal(table.sectors, 65536);
    assert_false(table.read_only);
    assert_string_equal(table.parameters,
                        "aes-xts-plain64 :64:logon:postern:data 0 254:16 32768 1 sector_size:4096");
    small.sector_size = 512;
    assert_int_equal(crypt_table(&small, "254:16", 64, &table), 0);
    assert_string_equal(table.parameters, "aes-xts-plain64 :64:logon:postern:data 0 254:16 32768");
}

static void crypt_tables_refuse_the_rest(void **state UNUSED)
{
    struct crypt_volume wrong[8];
    struct dm_table table = { .sectors = 77 };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        wrong[i] = right_volume;
    wrong[0].cipher = "aes-cbc-plain64";
    wrong[1].cipher = "cipher_null-ecb";
    wrong[2].sector_size = 1024;
    wrong[3].offset = 512;
    wrong[4].length = 0;
    wrong[5].length = 33554432 + 512;
    wrong[6].name = "0123456789012345678901234567890123456789012345678901234567890123";
    wrong[7].sector_size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(crypt_table(&wrong[i], "254:16", 64, &table), -EINVAL);
    assert_int_equal(crypt_table(&right_volume, "254:16", 32, &table), -EINVAL);
    assert_int_equal(table.sectors, 77);
}

static struct verity_tree right_tree(void)
{
    struct verity_tree tree = { .name = "root", .data_blocks = 500, .hash_start_block = 500, .salt = { 0xab }, .salt_size = 2 };

    memset(tree.root_hash, 0x11, sizeof(tree.root_hash));
    return tree;
}

static void verity_tables_are_exact(void **state UNUSED)
{
    struct verity_tree tree = right_tree();
    struct dm_table table;

    assert_int_equal(verity_table(&tree, "254:0", &table), 0);
    assert_string_equal(table.target, "verity");
    assert_int_equal(table.sectors, 4000);
    assert_true(table.read_only);
    assert_string_equal(table.parameters,
                        "1 254:0 254:0 4096 4096 500 500 sha256 "
                        "1111111111111111111111111111111111111111111111111111111111111111 ab00 1 panic_on_corruption");
    tree.salt_size = 0;
    assert_int_equal(verity_table(&tree, "254:0", &table), 0);
    assert_non_null(strstr(table.parameters, "1111 - 1 panic_on_corruption"));
}

static void verity_tables_refuse_the_rest(void **state UNUSED)
{
    struct verity_tree wrong[5];
    struct dm_table table;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        wrong[i] = right_tree();
    wrong[0].data_blocks = 0;
    wrong[1].hash_start_block = 499; /* inside the data */
    wrong[2].data_blocks = UINT64_C(1) << 41;
    wrong[3].hash_start_block = UINT64_C(1) << 41;
    wrong[4].salt_size = VERITY_MAX_SALT_BYTES + 1;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(verity_table(&wrong[i], "254:0", &table), -EINVAL);
}

static void only_block_devices_are_described(void **state UNUSED)
{
    CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint64_t bytes = 0;
    char device[32];

    assert_true(null >= 0);
    assert_int_equal(dm_describe_device(null, device, &bytes), -ENOTBLK);
    assert_int_equal(dm_describe_device(-1, device, &bytes), -EBADF);
}

static void opening_refuses_what_is_no_disk(void **state UNUSED)
{
    CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    const struct verity_tree tree = right_tree();
    struct reason why = { "" };
    char path[32];

    assert_int_equal(secret_random(64, &key), 0);
    assert_int_equal(crypt_open(&right_volume, null, &key, path, &why), -ENOTBLK);
    assert_reason(&why, "volume data: its disk is not a block device");
    assert_int_equal(verity_open(&tree, null, path, &why), -ENOTBLK);
    assert_reason(&why, "root: its disk is not a block device");
}

/* A key is in the keyring until it is dropped, and gone then. */
static void keys_come_and_go(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    int32_t serial = 0;
    int r;

    assert_int_equal(secret_random(64, &key), 0);
    r = keyring_add(KEYRING_PREFIX "test", &key, &serial);
    if (r == -ENOSYS || r == -EPERM)
        skip(); /* a container without the key service */
    assert_int_equal(r, 0);
    assert_int_equal(keyring_drop(serial), 0);
    assert_int_equal(keyring_drop(serial), -EKEYREVOKED);
    assert_int_equal(keyring_add("without-a-prefix", &key, &serial), -EINVAL);
}

/* The IV of a sector is its place, and nothing else. */
static void sectors_have_their_own_iv(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    CLEANUP(xts_free) struct xts *xts = NULL;
    uint8_t two[8192], one[4096];

    assert_int_equal(secret_random(64, &key), 0);
    assert_int_equal(xts_new(&key, &xts), 0);
    memset(two, 0x5a, sizeof(two));
    memset(one, 0x5a, sizeof(one));
    assert_int_equal(xts_encrypt(xts, 4096, two, sizeof(two)), 0);
    assert_memory_not_equal(two, two + 4096, 4096); /* equal text, unequal ciphertext */
    assert_int_equal(xts_encrypt(xts, 8192, one, sizeof(one)), 0);
    assert_memory_equal(two + 4096, one, 4096); /* what counts is where a sector lies */
    assert_int_equal(xts_encrypt(xts, 512, one, sizeof(one)), -EINVAL);
    assert_int_equal(xts_encrypt(xts, 0, one, 100), -EINVAL);
}

static void keys_of_another_size_are_refused(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct xts *xts = NULL;

    assert_int_equal(secret_random(32, &key), 0);
    assert_int_equal(xts_new(&key, &xts), -EINVAL);
    assert_null(xts);
}

struct files {
    char directory[32], disk[64], content[64];
};

static void make_files(struct files *f, size_t size)
{
    uint8_t *content = malloc(size);

    memcpy(f->directory, "/tmp/test-luks.XXXXXX", sizeof("/tmp/test-luks.XXXXXX"));
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->disk, sizeof(f->disk), "%s/disk", f->directory);
    (void)snprintf(f->content, sizeof(f->content), "%s/content", f->directory);
    random_fill(content, size);
    assert_int_equal(file_write(f->content, 0600, content, size, NULL), 0);
    free(content);
}

static void remove_files(struct files *f)
{
    (void)unlink(f->disk);
    (void)unlink(f->content);
    assert_int_equal(rmdir(f->directory), 0);
}

/* What libcryptsetup reads back from the disk that we made. */
static void check_header(const char *disk, const struct secret *key, const struct secret *recovery)
{
    struct crypt_device *device = NULL;
    uint8_t found[64];
    size_t size = sizeof(found);

    assert_int_equal(crypt_init(&device, disk), 0);
    assert_int_equal(crypt_load(device, CRYPT_LUKS2, NULL), 0);
    assert_string_equal(crypt_get_cipher(device), "aes");
    assert_string_equal(crypt_get_cipher_mode(device), "xts-plain64");
    assert_int_equal(crypt_get_sector_size(device), CREATE_SECTOR_BYTES);
    assert_int_equal(crypt_get_data_offset(device), CREATE_DATA_OFFSET_BYTES / 512);
    assert_int_equal(crypt_volume_key_verify(device, (const char *)key->bytes, key->size), 0);
    if (recovery) {
        assert_int_equal(crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)found, &size,
                                              (const char *)recovery->bytes, recovery->size), 0);
        assert_memory_equal(found, key->bytes, key->size);
    } else {
        assert_int_equal(crypt_keyslot_status(device, 0), CRYPT_SLOT_INACTIVE);
    }
    crypt_free(device);
}

/* Decrypts with nothing of ours. */
static void check_contents(const struct files *f, const struct secret *key, size_t size)
{
    CLEANUP_FREE uint8_t *disk = NULL;
    CLEANUP_FREE uint8_t *content = NULL;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t disk_size = 0, content_size = 0;

    assert_int_equal(file_read(f->disk, 1 << 26, &disk, &disk_size, NULL), 0);
    assert_int_equal(file_read(f->content, 1 << 26, &content, &content_size, NULL), 0);
    assert_int_equal(disk_size, CREATE_DATA_OFFSET_BYTES + size);
    for (size_t at = 0; at < size; at += 4096) {
        uint8_t iv[16] = { 0 }, plain[4096];
        uint64_t sector = at / 512;
        int length = 0;

        memcpy(iv, &sector, sizeof(sector));
        assert_int_equal(EVP_DecryptInit_ex2(context, EVP_aes_256_xts(), key->bytes, iv, NULL), 1);
        assert_int_equal(EVP_DecryptUpdate(context, plain, &length, disk + CREATE_DATA_OFFSET_BYTES + at, 4096), 1);
        assert_memory_equal(plain, content + at, 4096);
    }
    EVP_CIPHER_CTX_free(context);
}

static void made_volumes_open_elsewhere(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE, recovery = SECRET_NONE;
    struct create_volume volume = { .key = &key, .recovery = &recovery };
    struct reason why = { "" };
    uint64_t length = 0;
    struct files f;

    make_files(&f, 3 * 1024 * 1024 + 4096);
    volume.path = f.disk;
    volume.content = f.content;
    assert_int_equal(secret_random(CREATE_KEY_BYTES, &key), 0);
    assert_int_equal(secret_random(32, &recovery), 0);
    if (create_volume(&volume, &length, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(length, 3 * 1024 * 1024 + 4096);
    check_header(f.disk, &key, &recovery);
    check_contents(&f, &key, length);
    volume.recovery = NULL;
    assert_int_equal(create_volume(&volume, &length, &why), 0);
    check_header(f.disk, &key, NULL);
    remove_files(&f);
}

static void odd_contents_are_refused(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct create_volume volume = { .key = &key };
    struct reason why = { "" };
    uint64_t length = 77;
    struct files f;

    make_files(&f, 5000);
    volume.path = f.disk;
    volume.content = f.content;
    assert_int_equal(secret_random(CREATE_KEY_BYTES, &key), 0);
    assert_int_equal(create_volume(&volume, &length, &why), -EINVAL);
    assert_reason(&why, "5000 bytes, expected a file of whole 4096-byte sectors");
    volume.content = "/nonexistent";
    assert_int_equal(create_volume(&volume, &length, &why), -ENOENT);
    assert_int_equal(length, 77);
    remove_files(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crypt_tables_are_exact),
        cmocka_unit_test(crypt_tables_refuse_the_rest),
        cmocka_unit_test(verity_tables_are_exact),
        cmocka_unit_test(verity_tables_refuse_the_rest),
        cmocka_unit_test(only_block_devices_are_described),
        cmocka_unit_test(opening_refuses_what_is_no_disk),
        cmocka_unit_test(keys_come_and_go),
        cmocka_unit_test(sectors_have_their_own_iv),
        cmocka_unit_test(keys_of_another_size_are_refused),
        cmocka_unit_test(made_volumes_open_elsewhere),
        cmocka_unit_test(odd_contents_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
