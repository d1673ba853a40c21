/* luks/: the tables that the kernel gets, sector encryption, and volumes that stock cryptsetup would open. */
#include "unit.h"

#include <fcntl.h>
#include <libcryptsetup.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"
#include "luks/create.h"
#include "luks/crypt.h"
#include "luks/derive.h"
#include "luks/integrity.h"
#include "luks/keyring.h"
#include "luks/label.h"
#include "luks/verity.h"
#include "luks/xts.h"

static const struct crypt_volume right_volume = {
    .name = "data", .cipher = "aes-xts-plain64", .integrity = "none", .sector_size = 4096, .offset = 16777216,
    .length = 33554432,
    .layout_length = 33554432,
};

static void crypt_tables_are_exact(void **state UNUSED)
{
    struct crypt_volume small = right_volume, tagged = right_volume;
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
    small.read_only = true;
    assert_int_equal(crypt_table(&small, "254:16", 64, &table), 0);
    assert_true(table.read_only);
    tagged.integrity = "hmac(sha256)";
    assert_int_equal(crypt_table(&tagged, "253:0", 96, &table), 0);
    assert_int_equal(table.sectors, 65536);
    assert_string_equal(table.parameters, "capi:authenc(hmac(sha256),xts(aes))-plain64 :96:logon:postern:data 0 253:0 0 2 "
                                          "integrity:32:aead sector_size:4096");
}

static void crypt_tables_refuse_the_rest(void **state UNUSED)
{
    struct crypt_volume wrong[10], tagged = right_volume;
    struct dm_table table = { .sectors = 77 };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        wrong[i] = right_volume;
    wrong[0].cipher = "aes-cbc-plain64";
    wrong[1].cipher = "cipher_null-ecb";
    wrong[2].sector_size = 1024;
    wrong[3].offset = 512;
    wrong[4].length = 0;
    wrong[5].length = 33554432 + 512;
    wrong[6].name = "012345678901234567890123456789012345678901234567890123456789012345678901";
    wrong[7].sector_size = 0;
    wrong[8].integrity = "hmac(sha256)"; /* its key is longer */
    wrong[9].integrity = "hmac(sha1)";
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(crypt_table(&wrong[i], "254:16", 64, &table), -EINVAL);
    assert_int_equal(crypt_table(&right_volume, "254:16", 32, &table), -EINVAL);
    tagged.integrity = "hmac(sha256)";
    assert_int_equal(crypt_table(&tagged, "254:16", 64, &table), -EINVAL);
    tagged.sector_size = 512;
    assert_int_equal(crypt_table(&tagged, "254:16", 96, &table), -EINVAL);
    tagged.sector_size = 4096;
    tagged.read_only = true; /* a journal cannot be replayed there */
    assert_int_equal(crypt_table(&tagged, "254:16", 96, &table), -EINVAL);
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

/* The layout of 128 MiB, as dm-integrity itself makes it but for the journal's size; and the smallest. */
static void layouts_follow_from_the_length(void **state UNUSED)
{
    struct integrity_layout layout = { .provided = 77 };
    uint8_t superblock[INTEGRITY_SUPERBLOCK_BYTES];
    struct dm_table table;

    assert_int_equal(integrity_make_layout(225728u * 512, 225728u * 512, &layout), 0);
    assert_int_equal(layout.journal_sections, 6);
    assert_int_equal(layout.journal_sectors, 1584);
    assert_int_equal(layout.areas_start, 1592);
    assert_int_equal(layout.end, 1592 + 7 * 256 + 225728);
    assert_int_equal(integrity_tag_place(&layout, 0), 1592 * 512);
    assert_int_equal(integrity_data_place(&layout, 0), (1592 + 256) * 512);
    assert_int_equal(integrity_tag_place(&layout, 4095), 1592 * 512 + 4095 * 32);
    assert_int_equal(integrity_data_place(&layout, 4095), (1592 + 256 + 32760) * 512);
    assert_int_equal(integrity_tag_place(&layout, 4096), (1592 + 256 + 32768) * 512);
    assert_int_equal(integrity_data_place(&layout, 4096), (1592 + 2 * 256 + 32768) * 512);
    integrity_make_superblock(&layout, superblock);
    assert_memory_equal(superblock, "integrt\0\4\x0f\x20\0\6\0\0\0\xc0\x71\3\0\0\0\0\0\x8\0\0\0\3\x0c\0\0", 32);
    assert_true(all_zero(superblock + 32, sizeof(superblock) - 32));
    assert_int_equal(integrity_table("data.tags", &layout, "254:0", 16777216, &table), 0);
    assert_string_equal(table.parameters, "254:0 32768 32 J 7 block_size:4096 journal_sectors:1584 "
                                          "interleave_sectors:32768 buffer_sectors:128 journal_watermark:50 "
                                          "commit_time:10000 fix_padding");
    assert_int_equal(table.sectors, 225728);
    assert_int_equal(integrity_make_layout(4096, 4096, &layout), 0);
    assert_int_equal(layout.journal_sections, 1);
    assert_int_equal(integrity_make_layout(UINT64_C(1) << 45, UINT64_C(1) << 45, &layout), 0);
    assert_int_equal(layout.journal_sections, 496);
    /* A volume that has grown keeps its journal. */
    assert_int_equal(integrity_make_layout(UINT64_C(1) << 45, 225728u * 512, &layout), 0);
    assert_int_equal(layout.journal_sections, 6);
    assert_int_equal(layout.provided, UINT64_C(1) << 36);
    assert_int_equal(integrity_make_layout(0, 4096, &layout), -EINVAL);
    assert_int_equal(integrity_make_layout(4096, 0, &layout), -EINVAL);
    assert_int_equal(integrity_make_layout(4096, 4097, &layout), -EINVAL);
    assert_int_equal(integrity_make_layout(4095, 4095, &layout), -EINVAL);
    assert_int_equal(integrity_make_layout(UINT64_C(1) << 63, UINT64_C(1) << 63, &layout), -EINVAL);
    assert_int_equal(integrity_table("data.tags", &layout, "254:0", 512, &table), -EINVAL);
}

static void superblocks_say_what_was_expected(void **state UNUSED)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *words;
    } wrong[] = {
        { 8, 1, "version is 1, expected 4" },
        { 8, 5, "version is 5" },
        { 8, 8, "version is 8" },
        { 9, 14, "log2_interleave_sectors is 14, expected 15" },
        { 9, 31, "log2_interleave_sectors is 31" },
        { 10, 48, "tag size is 48, expected 32" },
        { 11, 1, "tag size is 288" },
        { 12, 5, "journal_sections is 5, expected 6" },
        { 12, 0, "journal_sections is 0" },
        { 15, 0xff, "journal_sections is 4278190086" },
        { 24, 0, "flags is 0, expected 8" },
        { 24, 9, "flags is 9" },
        { 24, 0x0c, "flags is 12" },
        { 24, 0x28, "flags is 40" },
        { 27, 1, "flags is 16777224" },
        { 28, 0, "log2_sectors_per_block is 0, expected 3" },
        { 28, 40, "log2_sectors_per_block is 40" },
    };
    uint8_t right[INTEGRITY_SUPERBLOCK_BYTES], bytes[INTEGRITY_SUPERBLOCK_BYTES];
    struct integrity_layout layout;
    struct reason why = { "" };

    assert_int_equal(integrity_make_layout(225728u * 512, 225728u * 512, &layout), 0);
    integrity_make_superblock(&layout, right);
    assert_int_equal(integrity_check_superblock(right, &layout, &why), 0);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        memcpy(bytes, right, sizeof(bytes));
        bytes[wrong[i].at] = wrong[i].byte;
        assert_int_equal(integrity_check_superblock(bytes, &layout, &why), -EBADMSG);
        assert_reason(&why, wrong[i].words);
    }
    for (size_t i = 0; i < 8; i++) { /* the magic */
        memcpy(bytes, right, sizeof(bytes));
        bytes[i] ^= 0x20;
        assert_int_equal(integrity_check_superblock(bytes, &layout, &why), -ENOMEDIUM);
    }
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(integrity_check_superblock(bytes, &layout, &why), -ENOMEDIUM);
    memcpy(bytes, right, sizeof(bytes));
    bytes[16] ^= 1; /* provided sectors: the kernel rewrites them */
    assert_int_equal(integrity_check_superblock(bytes, &layout, &why), 0);
}

static void labels_are_of_one_key(void **state UNUSED)
{
    CLEANUP_SECRET struct secret volume_key = SECRET_NONE, key = SECRET_NONE, other = SECRET_NONE;
    struct label label = { .volume_id = "data", .epoch = UINT64_C(0x1122334455667788), .length = 4096 };
    struct label found = { .epoch = 77 };
    uint8_t right[LABEL_BYTES], bytes[LABEL_BYTES];

    assert_int_equal(secret_random(64, &volume_key), 0);
    assert_int_equal(label_derive_key(&volume_key, &key), 0);
    assert_int_equal(secret_random(32, &other), 0);
    assert_int_equal(key.size, LABEL_KEY_BYTES);
    assert_int_equal(label_make(&label, &key, right), 0);
    assert_int_equal(label_parse(right, &other, &found), -EKEYREJECTED);
    assert_int_equal(found.epoch, 77);
    for (size_t i = 0; i < LABEL_BYTES; i++) {
        memcpy(bytes, right, sizeof(bytes));
        bytes[i] ^= 1;
        assert_int_equal(label_parse(bytes, &key, &found), i < 8 ? -ENODATA : -EKEYREJECTED);
    }
    assert_int_equal(label_parse(right, &key, &found), 0);
    assert_string_equal(found.volume_id, "data");
    assert_int_equal(found.epoch, label.epoch);
    assert_int_equal(found.length, 4096);
    memcpy(label.volume_id, "Data", 5);
    assert_int_equal(label_make(&label, &key, bytes), 0);
    assert_int_equal(label_parse(bytes, &key, &found), -EBADMSG);
}

/* HKDF of RFC 5869 section 2 by hand: extract with a salt of zeros, then one block of expand. */
static void keys_are_derived_by_hkdf(void **state UNUSED)
{
    CLEANUP_SECRET struct secret from = SECRET_NONE, derived = SECRET_NONE;
    uint8_t zeros[32] = { 0 }, extracted[32], expected[32];

    assert_int_equal(secret_copy("0123456789abcdef0123456789abcdef", 32, &from), 0);
    assert_int_equal(derive_key(&from, "a purpose", 32, &derived), 0);
    assert_non_null(HMAC(EVP_sha256(), zeros, 32, from.bytes, 32, extracted, NULL));
    assert_non_null(HMAC(EVP_sha256(), extracted, 32, (const uint8_t *)"a purpose\1", 10, expected, NULL));
    assert_memory_equal(derived.bytes, expected, 32);
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
    memset(content, 0, LABEL_ROOM_BYTES);
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
static void check_header(const char *disk, const struct secret *key, const struct secret *recovery, bool tags)
{
    struct crypt_params_integrity integrity = { .tag_size = 0 };
    struct crypt_device *device = NULL;
    uint8_t found[96];
    size_t size = sizeof(found);

    assert_int_equal(crypt_init(&device, disk), 0);
    assert_int_equal(crypt_load(device, CRYPT_LUKS2, NULL), 0);
    assert_string_equal(crypt_get_cipher(device), "aes");
    assert_string_equal(crypt_get_cipher_mode(device), "xts-plain64");
    assert_int_equal(crypt_get_sector_size(device), CREATE_SECTOR_BYTES);
    assert_int_equal(crypt_get_data_offset(device), CREATE_DATA_OFFSET_BYTES / 512);
    (void)crypt_get_integrity_info(device, &integrity);
    assert_string_equal(integrity.integrity ? integrity.integrity : "none", tags ? "hmac(sha256)" : "none");
    if (recovery) {
        assert_int_equal(crypt_volume_key_verify(device, (const char *)key->bytes, key->size), 0);
        assert_int_equal(crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)found, &size,
                                              (const char *)recovery->bytes, recovery->size), 0);
        assert_int_equal(size, key->size);
        assert_memory_equal(found, key->bytes, key->size);
    } else {
        assert_int_equal(crypt_keyslot_status(device, 0), CRYPT_SLOT_INACTIVE);
    }
    crypt_free(device);
}

/* Where a block lies in the file, and where its tag; said once more, apart from the library. */
static size_t data_at(size_t block, bool tags)
{
    return 16777216 + (tags ? (8 + 264 + (block / 4096 + 1) * 256) * 512 : 0) + block * 4096;
}

static size_t tag_at(size_t block)
{
    return 16777216 + (8 + 264 + block / 4096 * (256 + 32768)) * 512 + block % 4096 * 32;
}

static void check_tag(const uint8_t *disk, const struct secret *key, size_t block)
{
    uint8_t message[24 + 4096] = { 0 }, tag[32];
    uint64_t sector = block * 8;

    memcpy(message, &sector, sizeof(sector));
    memcpy(message + 8, &sector, sizeof(sector));
    memcpy(message + 24, disk + data_at(block, true), 4096);
    assert_non_null(HMAC(EVP_sha256(), key->bytes + 64, 32, message, sizeof(message), tag, NULL));
    assert_memory_equal(disk + tag_at(block), tag, sizeof(tag));
}

/* Decrypts with nothing of ours. */
static void check_contents(const struct files *f, const struct secret *key, size_t size, bool tags)
{
    CLEANUP_FREE uint8_t *disk = NULL;
    CLEANUP_FREE uint8_t *content = NULL;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t disk_size = 0, content_size = 0;

    assert_int_equal(file_read(f->disk, 1 << 26, &disk, &disk_size, NULL), 0);
    assert_int_equal(file_read(f->content, 1 << 26, &content, &content_size, NULL), 0);
    assert_int_equal(disk_size, data_at(size / 4096 - 1, tags) + 4096);
    for (size_t at = 0; at < size; at += 4096) {
        uint8_t iv[16] = { 0 }, plain[4096];
        uint64_t sector = at / 512;
        int length = 0;

        memcpy(iv, &sector, sizeof(sector));
        assert_int_equal(EVP_DecryptInit_ex2(context, EVP_aes_256_xts(), key->bytes, iv, NULL), 1);
        assert_int_equal(EVP_DecryptUpdate(context, plain, &length, disk + data_at(at / 4096, tags), 4096), 1);
        if (at)
            assert_memory_equal(plain, content + at, 4096);
        else
            assert_memory_equal(plain, "PSTNLBL2\0\0\0\0\0\0\0\0data\0", 21);
        if (tags)
            check_tag(disk, key, at / 4096);
    }
    EVP_CIPHER_CTX_free(context);
}

static void made_volumes_open_elsewhere(void **state UNUSED)
{
    uint8_t mac[HEADER_MAC_BYTES];
    static const char *const integrities[] = { "none", "hmac(sha256)" };

    for (size_t i = 0; i < ARRAY_SIZE(integrities); i++) {
        CLEANUP_SECRET struct secret key = SECRET_NONE, recovery = SECRET_NONE;
        struct create_volume volume = { .id = "data", .integrity = integrities[i], .key = &key, .recovery = &recovery };
        size_t size = 17 * 1024 * 1024 + 4096;
        struct reason why = { "" };
        uint64_t length = 0;
        struct files f;

        make_files(&f, size);
        volume.path = f.disk;
        volume.content = f.content;
        assert_int_equal(secret_random(create_key_bytes(integrities[i]), &key), 0);
        assert_int_equal(secret_random(32, &recovery), 0);
        if (create_volume(&volume, &length, mac, &why) < 0)
            fail_msg("%s", why.text);
        assert_int_equal(length, size);
        check_header(f.disk, &key, &recovery, i);
        check_contents(&f, &key, length, i);
        volume.recovery = NULL;
        assert_int_equal(create_volume(&volume, &length, mac, &why), 0);
        check_header(f.disk, &key, NULL, i);
        remove_files(&f);
    }
}

/* A blank volume is a header and room: nothing that could be taken for a volume. */
static void blank_volumes_hold_nothing(void **state UNUSED)
{
    uint8_t mac[HEADER_MAC_BYTES];
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct create_volume volume = { .id = "data", .integrity = "hmac(sha256)", .key = &key, .length = 16 << 20 };
    CLEANUP_FREE uint8_t *disk = NULL;
    struct reason why = { "" };
    uint64_t length = 0;
    size_t size = 0;
    struct files f;

    make_files(&f, 4096);
    volume.path = f.disk;
    assert_int_equal(secret_random(96, &key), 0);
    assert_int_equal(create_volume(&volume, &length, mac, &why), 0);
    assert_int_equal(length, 16 << 20);
    check_header(f.disk, &key, NULL, true);
    assert_int_equal(file_read(f.disk, 1 << 26, &disk, &size, NULL), 0);
    assert_true(all_zero(disk + 16777216, size - 16777216));
    assert_int_equal(size, data_at(4095, true) + 4096);
    volume.length = 4097;
    assert_int_equal(create_volume(&volume, &length, mac, &why), -EINVAL);
    assert_reason(&why, "a volume cannot have 4097 bytes");
    assert_int_equal(create_key_bytes("hmac(sha1)"), 0);
    remove_files(&f);
}

static void odd_contents_are_refused(void **state UNUSED)
{
    uint8_t mac[HEADER_MAC_BYTES];
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct create_volume volume = { .id = "data", .integrity = "none", .key = &key };
    struct reason why = { "" };
    uint64_t length = 77;
    uint8_t byte = 1;
    struct files f;

    make_files(&f, 5000);
    volume.path = f.disk;
    volume.content = f.content;
    assert_int_equal(secret_random(64, &key), 0);
    assert_int_equal(create_volume(&volume, &length, mac, &why), -EINVAL);
    assert_reason(&why, "5000 bytes, expected a file of whole 4096-byte sectors");
    assert_int_equal(truncate(f.content, 8192), 0);
    assert_int_equal(create_volume(&volume, &length, mac, &why), 0);
    length = 77;
    {
        CLEANUP_FD int content = open(f.content, O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(content, &byte, 1, LABEL_ROOM_BYTES - 1), 1);
    }
    assert_int_equal(create_volume(&volume, &length, mac, &why), -EINVAL);
    assert_reason(&why, "its first 1024 bytes are not zero");
    volume.content = "/nonexistent";
    assert_int_equal(create_volume(&volume, &length, mac, &why), -ENOENT);
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
        cmocka_unit_test(layouts_follow_from_the_length),
        cmocka_unit_test(superblocks_say_what_was_expected),
        cmocka_unit_test(labels_are_of_one_key),
        cmocka_unit_test(keys_are_derived_by_hkdf),
        cmocka_unit_test(made_volumes_open_elsewhere),
        cmocka_unit_test(blank_volumes_hold_nothing),
        cmocka_unit_test(odd_contents_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
