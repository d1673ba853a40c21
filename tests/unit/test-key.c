/* base/key, base/secret-file: which files are keys, and signatures that others verify. */
#include "keys.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "base/secret-file.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static const char *write_bio(const char *name, BIO *bio, unsigned mode)
{
    const char *path = in_folder(name);
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);

    assert_int_equal(file_write(path, mode, data, (size_t)size, NULL), 0);
    BIO_free(bio);
    return path;
}

enum form { PKCS8_PEM, PKCS8_DER, SEC1_PEM, SEC1_DER, PUBLIC_PEM, PUBLIC_DER, ENCRYPTED_PEM };

static const char *write_key(const char *name, EVP_PKEY *key, enum form form, unsigned mode)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = 0;

    switch (form) {
    case PKCS8_PEM: ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case PKCS8_DER: ok = i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case SEC1_PEM: ok = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case SEC1_DER: ok = i2d_PrivateKey_bio(bio, key); break;
    case PUBLIC_PEM: ok = PEM_write_bio_PUBKEY(bio, key); break;
    case PUBLIC_DER: ok = i2d_PUBKEY_bio(bio, key); break;
    case ENCRYPTED_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
        break;
    }
    assert_int_equal(ok, 1);
    return write_bio(name, bio, mode);
}

static void assert_private_refused(const char *path, unsigned kinds, int error, const char *words)
{
    struct reason why = { "" };
    EVP_PKEY *key = NULL;

    assert_int_equal(key_read_private(path, kinds, &key, &why), error);
    assert_null(key);
    assert_reason(&why, words);
    assert_reason(&why, path);
}

static void assert_public_refused(const char *path, unsigned kinds, const char *words)
{
    struct reason why = { "" };
    EVP_PKEY *key = NULL;

    assert_int_equal(key_read_public(path, kinds, &key, &why), -EBADMSG);
    assert_null(key);
    assert_reason(&why, words);
    assert_reason(&why, path);
}

/* By OpenSSL's own encoder. */
static void id_by_openssl(EVP_PKEY *key, uint8_t ret_id[KEY_ID_BYTES])
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    assert_true(size > 0);
    assert_int_equal(EVP_Digest(der, (size_t)size, ret_id, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(der);
}

/* 1 or 2, by which of its two y a compressed point (02 or 03 before its x) stands for. */
static unsigned compressed_sign(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);
    unsigned sign;

    assert_true(size > 49);
    sign = der[size - 49] - 1u;
    OPENSSL_free(der);
    return sign;
}

static void reads_what_openssl_writes(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *p384 = p384_key(7), *ed25519 = ed25519_key(rfc8032_seed);
    uint8_t expected[KEY_ID_BYTES], found[KEY_ID_BYTES];

    for (int kind = KEY_P384; kind <= KEY_ED25519; kind++) {
        EVP_PKEY *key = kind == KEY_P384 ? p384 : ed25519, *read = NULL;

        assert_int_equal(key_kind(key), kind);
        id_by_openssl(key, expected);
        assert_int_equal(key_id(key, found), 0);
        assert_memory_equal(found, expected, sizeof(found));
        for (int form = PKCS8_PEM; form <= (kind == KEY_P384 ? SEC1_DER : PKCS8_DER); form++) {
            const char *path = write_key("key", key, (enum form)form, 0600);

            assert_int_equal(key_read_private(path, KEY_P384 | KEY_ED25519, &read, NULL), 0);
            assert_int_equal(key_id(read, found), 0);
            assert_memory_equal(found, expected, sizeof(found));
            key_free(&read);
        }
        for (int form = PUBLIC_PEM; form <= PUBLIC_DER; form++) {
            const char *path = write_key("key", key, (enum form)form, 0644);

            assert_int_equal(key_read_public(path, KEY_P384 | KEY_ED25519, &read, NULL), 0);
            assert_int_equal(key_id(read, found), 0);
            assert_memory_equal(found, expected, sizeof(found));
            key_free(&read);
        }
    }
    assert_string_equal(key_kind_name(p384), "ECDSA P-384");
    assert_string_equal(key_kind_name(ed25519), "Ed25519");
}

/* The encoder writes a point as it came: the compressed key's own SubjectPublicKeyInfo is another, its id is not. */
static void a_point_has_one_id_in_both_forms(void **state UNUSED)
{
    uint8_t expected[KEY_ID_BYTES], compressed_id[KEY_ID_BYTES], found[KEY_ID_BYTES];
    unsigned signs = 0;

    for (unsigned seed = 1; seed <= 8; seed++) {
        CLEANUP_KEY EVP_PKEY *key = p384_key(seed), *copy = EVP_PKEY_dup(key), *read = NULL;
        const char *path;

        id_by_openssl(key, expected);
        assert_int_equal(EVP_PKEY_set_utf8_string_param(copy, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"),
                         1);
        id_by_openssl(copy, compressed_id);
        assert_memory_not_equal(compressed_id, expected, sizeof(expected));
        path = write_key("key", copy, PUBLIC_DER, 0644);
        assert_int_equal(key_read_public(path, KEY_P384, &read, NULL), 0);
        signs |= compressed_sign(read);
        id_by_openssl(read, found);
        assert_memory_equal(found, compressed_id, sizeof(found));
        assert_int_equal(key_id(read, found), 0);
        assert_memory_equal(found, expected, sizeof(found));
        assert_int_equal(key_id(key, found), 0);
        assert_memory_equal(found, expected, sizeof(found));
    }
    assert_int_equal(signs, 3); /* points of both halves were among them */
}

static void refuses_files_that_others_can_read(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *key = p384_key(7);
    const unsigned wrong[] = { 0640, 0604, 0620, 0602, 0610, 0777 };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *path = write_key("open", key, PKCS8_PEM, 0600);

        assert_int_equal(chmod(path, wrong[i]), 0);
        assert_private_refused(path, KEY_P384, -EACCES, "others may read or change it; chmod 600 it");
    }
}

static void refuses_other_private_files(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *key = p384_key(7), *p256 = EVP_EC_gen(SN_X9_62_prime256v1), *rsa = EVP_RSA_gen(2048),
                         *ed25519 = ed25519_key(rfc8032_seed);
    const char *path = write_key("public", key, PUBLIC_PEM, 0600);
    CLEANUP_FREE uint8_t *der = NULL;
    size_t size = 0;

    assert_private_refused(path, KEY_P384, -EBADMSG, "a public key, but signing takes the private one");
    assert_private_refused(write_key("k", key, ENCRYPTED_PEM, 0600), KEY_P384, -EBADMSG, "the key is encrypted");
    assert_private_refused(write_key("k", p256, PKCS8_PEM, 0600), KEY_P384, -EBADMSG, "the key is EC, expected P-384");
    assert_private_refused(write_key("k", rsa, PKCS8_PEM, 0600), KEY_P384 | KEY_ED25519, -EBADMSG,
                           "the key is RSA, expected P-384 or Ed25519");
    assert_private_refused(write_key("k", ed25519, PKCS8_PEM, 0600), KEY_P384, -EBADMSG,
                           "the key is ED25519, expected P-384");
    assert_private_refused(in_folder("nothing"), KEY_P384, -ENOENT, "cannot be opened");
    assert_private_refused(folder, KEY_P384, -EINVAL, "not a regular file");
    path = in_folder("k");
    assert_int_equal(file_write(path, 0600, "", 0, NULL), 0);
    assert_private_refused(path, KEY_P384, -ENODATA, "is empty");
    assert_int_equal(file_write(path, 0600, "no key\n", 7, NULL), 0);
    assert_private_refused(path, KEY_P384, -EBADMSG, "no private key in PEM or DER");
    /* One byte behind the DER. */
    (void)write_key("k", key, PKCS8_DER, 0600);
    assert_int_equal(file_read(path, 4096, &der, &size, NULL), 0);
    assert_int_equal(file_write(path, 0600, der, size + 1, NULL), 0);
    assert_private_refused(path, KEY_P384, -EBADMSG, "no private key in PEM or DER");
    der = realloc(der, KEY_FILE_MAX_BYTES + 1);
    assert_int_equal(file_write(path, 0600, der, KEY_FILE_MAX_BYTES + 1, NULL), 0);
    assert_private_refused(path, KEY_P384, -EFBIG, "larger than 8192 bytes");
}

static void refuses_other_public_files(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *key = p384_key(7), *p256 = EVP_EC_gen(SN_X9_62_prime256v1);
    CLEANUP_FREE uint8_t *der = NULL;
    struct reason why = { "" };
    EVP_PKEY *none = NULL;
    const char *path;
    size_t size = 0;

    assert_public_refused(write_key("p", key, PKCS8_PEM, 0600), KEY_P384, "a private key; verifying takes the public one");
    assert_public_refused(write_key("p", p256, PUBLIC_PEM, 0600), KEY_P384, "the key is EC, expected P-384");
    assert_public_refused(write_key("p", key, PUBLIC_PEM, 0600), KEY_ED25519, "the key is EC, expected Ed25519");
    path = write_key("p", key, PUBLIC_DER, 0600);
    assert_int_equal(file_read(path, 4096, &der, &size, NULL), 0);
    assert_int_equal(file_write(path, 0600, der, size + 1, NULL), 0);
    assert_public_refused(path, KEY_P384, "no public key in PEM or DER");
    der[size - 1] ^= 1; /* a point that is not on the curve */
    assert_int_equal(file_write(path, 0600, der, size, NULL), 0);
    assert_public_refused(path, KEY_P384, "no public key in PEM or DER");
    assert_int_equal(key_parse_public(der, KEY_FILE_MAX_BYTES + 1, KEY_P384, &none, &why), -EBADMSG);
    assert_reason(&why, "8193 bytes, a public key has at most 8192");
}

static void reads_either(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *key = p384_key(7), *p256 = EVP_EC_gen(SN_X9_62_prime256v1);
    const char *path = NULL;
    struct reason why;
    EVP_PKEY *read = NULL;

    for (int form = PKCS8_PEM; form <= PUBLIC_DER; form++) {
        path = write_key("key", key, (enum form)form, form >= PUBLIC_PEM ? 0644 : 0600);
        assert_int_equal(key_read_any(path, KEY_P384, &read, NULL), 0);
        assert_int_equal(EVP_PKEY_eq(read, key), 1);
        key_free(&read);
    }
    assert_int_equal(key_read_any(write_key("key", p256, PUBLIC_PEM, 0644), KEY_P384, &read, &why), -EBADMSG);
    assert_reason(&why, "the key is EC, expected P-384");
    assert_int_equal(key_read_any(write_key("key", key, PKCS8_PEM, 0644), KEY_P384, &read, &why), -EACCES);
    assert_int_equal(key_read_any(in_folder("nothing"), KEY_P384, &read, &why), -ENOENT);
    assert_null(read);
}

static void signs_the_same_twice(void **state UNUSED)
{
    /* RFC 8032 section 7.1, TEST 1: the signature of no bytes. */
    static const char expected[] = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                                   "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    CLEANUP_KEY EVP_PKEY *p384 = p384_key(7), *ed25519 = ed25519_key(rfc8032_seed), *other = p384_key(8),
                         *p256 = EVP_EC_gen(SN_X9_62_prime256v1);
    uint8_t one[KEY_SIGNATURE_MAX_BYTES], two[KEY_SIGNATURE_MAX_BYTES];
    char hex[2 * 64 + 1];
    size_t one_size = 0, two_size = 0;

    assert_int_equal(key_sign(ed25519, "", 0, one, &one_size), 0);
    assert_int_equal(one_size, 64);
    hex_encode(one, 64, hex);
    assert_string_equal(hex, expected);
    assert_true(key_verify(ed25519, "", 0, one, 64));
    assert_false(key_verify(p384, "", 0, one, 64));
    assert_int_equal(key_sign(p384, "abc", 3, one, &one_size), 0);
    assert_int_equal(key_sign(p384, "abc", 3, two, &two_size), 0);
    assert_int_equal(one_size, two_size);
    assert_memory_equal(one, two, one_size);
    assert_true(key_verify(p384, "abc", 3, one, one_size));
    assert_false(key_verify(p384, "abd", 3, one, one_size));
    assert_false(key_verify(p384, "abc", 3, one, one_size - 1));
    assert_false(key_verify(p384, "abc", 3, one, 0));
    assert_false(key_verify(other, "abc", 3, one, one_size));
    one[one_size - 1] ^= 1;
    assert_false(key_verify(p384, "abc", 3, one, one_size));
    assert_int_equal(key_sign(p256, "abc", 3, two, &two_size), -EINVAL);
    assert_int_equal(key_kind(p256), 0);
    assert_int_equal(ERR_peek_error(), 0);
}

/* RFC 6979 A.2.6: ECDSA, 384 bits, SHA-384, message "sample". */
static void uses_the_nonce_of_rfc6979(void **state UNUSED)
{
    static const char x[] = "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA"
                            "9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5";
    static const char r_hex[] = "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA7"
                                "3D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46";
    static const char s_hex[] = "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526"
                                "203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8";
    /* SEC1 without the public key, which OpenSSL computes. */
    uint8_t der[64] = { 0x30, 62, 0x02, 0x01, 0x01, 0x04, 48 }, r[48], s[48];
    static const uint8_t curve[] = { 0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
    uint8_t signature[KEY_SIGNATURE_MAX_BYTES];
    const uint8_t *at = der;
    EVP_PKEY *key;
    size_t size = 0;

    assert_int_equal(hex_decode(x, 96, der + 7, 48), 0);
    memcpy(der + 55, curve, sizeof(curve));
    key = d2i_AutoPrivateKey(NULL, &at, sizeof(der));
    assert_non_null(key);
    assert_int_equal(key_sign(key, "sample", 6, signature, &size), 0);
    assert_int_equal(hex_decode(r_hex, 96, r, 48), 0);
    assert_int_equal(hex_decode(s_hex, 96, s, 48), 0);
    assert_int_equal(size, 104);
    assert_memory_equal(signature + 5, r, 48);
    assert_memory_equal(signature + 56, s, 48);
    key_free(&key);
}

static int make_folder(void **state UNUSED)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/test-key.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state UNUSED)
{
    static const char *const names[] = { "key", "open", "public", "k", "p" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_openssl_writes),
        cmocka_unit_test(a_point_has_one_id_in_both_forms),
        cmocka_unit_test(refuses_files_that_others_can_read),
        cmocka_unit_test(refuses_other_private_files),
        cmocka_unit_test(refuses_other_public_files),
        cmocka_unit_test(reads_either),
        cmocka_unit_test(signs_the_same_twice),
        cmocka_unit_test(uses_the_nonce_of_rfc6979),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
