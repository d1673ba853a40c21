/* measure/id-block: layout, signatures, and every byte that may not be otherwise. */
#include "keys.h"

#include "base/encode.h"
#include "base/key.h"
#include "measure/id-block.h"

static struct id_block sample(void)
{
    struct id_block block = { .guest_svn = 0x01020304, .policy = ID_POLICY_DEFAULT };

    memset(block.digest, 0xd1, sizeof(block.digest));
    memset(block.family_id, 0xfa, sizeof(block.family_id));
    memset(block.image_id, 0x11, sizeof(block.image_id));
    return block;
}

static void assert_block_refused(const uint8_t *bytes, size_t size, const char *words)
{
    struct id_block block = { .guest_svn = 99 };
    struct reason why = { "" };
    uint8_t *copy = exact_copy(bytes, size);

    assert_int_equal(id_block_parse(copy, size, &block, &why), -EBADMSG);
    assert_reason(&why, words);
    assert_int_equal(block.guest_svn, 99);
    free(copy);
}

static void assert_auth_refused(const uint8_t *bytes, size_t size, const char *words)
{
    struct id_auth auth;
    struct reason why = { "" };
    uint8_t *copy = exact_copy(bytes, size);

    assert_int_equal(id_auth_parse(copy, size, &auth, &why), -EBADMSG);
    assert_reason(&why, words);
    free(copy);
}

/* The public example of sev-snp-measure's tests: digest and block in base64. */
static void has_the_known_layout(void **state UNUSED)
{
    static const char digest[] = "B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7t";
    static const char expected[] = "B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7tAAAAAAAAAAAAAAAAAAAA"
                                   "AAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA";
    struct id_block block = { .policy = ID_POLICY_DEFAULT }, again;
    uint8_t bytes[ID_BLOCK_BYTES];
    char text[BASE64_TEXT_BYTES(ID_BLOCK_BYTES)];
    size_t size = 0;

    assert_int_equal(base64_decode(BASE64_STANDARD, digest, strlen(digest), block.digest, 48, &size), 0);
    id_block_encode(&block, bytes);
    (void)base64_encode(BASE64_STANDARD, bytes, sizeof(bytes), text);
    assert_string_equal(text, expected);
    block = sample();
    id_block_encode(&block, bytes);
    assert_int_equal(bytes[0x2f], 0xd1);
    assert_int_equal(bytes[0x30], 0xfa);
    assert_int_equal(bytes[0x40], 0x11);
    assert_int_equal(bytes[0x50], 1);
    assert_int_equal(bytes[0x54], 4);
    assert_int_equal(bytes[0x5a], 3);
    assert_int_equal(id_block_parse(bytes, sizeof(bytes), &again, NULL), 0);
    assert_memory_equal(&again, &block, sizeof(block));
}

static void refuses_other_blocks(void **state UNUSED)
{
    struct id_block block = sample();
    uint8_t bytes[ID_BLOCK_BYTES + 1] = { 0 };

    id_block_encode(&block, bytes);
    assert_block_refused(bytes, 95, "an ID block has 96 bytes, found 95");
    assert_block_refused(bytes, 97, "an ID block has 96 bytes, found 97");
    assert_block_refused(bytes, 0, "found 0");
    bytes[0x50] = 2;
    assert_block_refused(bytes, 96, "version 2, expected 1");
    bytes[0x50] = 1;
    bytes[0x5a] = 1;
    assert_block_refused(bytes, 96, "bit 17 is not set");
    bytes[0x5a] = 3;
    bytes[0x5b] = 4;
    assert_block_refused(bytes, 96, "bits above 25 are set");
    bytes[0x5b] = 3;
    assert_int_equal(id_block_parse(bytes, 96, &block, NULL), 0);
}

static void verifies_what_it_makes(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *id_key = p384_key(3), *author = p384_key(5);
    uint8_t block_bytes[ID_BLOCK_BYTES], auth[ID_AUTH_BYTES], again[ID_AUTH_BYTES], digest[SHA384_BYTES];
    struct id_block block = sample();
    struct id_digests digests;

    id_block_encode(&block, block_bytes);
    assert_int_equal(id_auth_make(block_bytes, id_key, author, auth), 0);
    assert_int_equal(id_auth_make(block_bytes, id_key, author, again), 0);
    assert_memory_equal(auth, again, sizeof(auth));
    assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, NULL), 0);
    assert_int_equal(EVP_Digest(auth + 0x240, ID_KEY_BYTES, digest, NULL, EVP_sha384(), NULL), 1);
    assert_memory_equal(digests.id_key, digest, sizeof(digest));
    assert_int_equal(EVP_Digest(auth + 0x880, ID_KEY_BYTES, digest, NULL, EVP_sha384(), NULL), 1);
    assert_memory_equal(digests.author_key, digest, sizeof(digest));
    /* Without an author. */
    assert_int_equal(id_auth_make(block_bytes, id_key, NULL, auth), 0);
    assert_memory_equal(auth + 0x040, again + 0x040, 0x680 - 0x040);
    assert_int_equal(auth[4], 0);
    memset(digest, 0, sizeof(digest));
    assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, NULL), 0);
    assert_memory_equal(digests.author_key, digest, sizeof(digest));
    auth[4] = 1; /* as existing tools write it */
    assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, NULL), 0);
}

static void notices_any_change(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *id_key = p384_key(3), *author = p384_key(5);
    static const size_t block_places[] = { 0, 47, 0x30, 0x40, 0x54, 0x58 };
    static const size_t id_places[] = { 0x040, 0x040 + 47, 0x040 + 72, 0x040 + 72 + 47, 0x244, 0x244 + 72 };
    static const size_t author_places[] = { 0x680, 0x680 + 72, 0x884, 0x884 + 72 + 47 };
    uint8_t block_bytes[ID_BLOCK_BYTES], auth[ID_AUTH_BYTES];
    struct id_block block = sample();
    struct id_digests digests;
    struct reason why;

    id_block_encode(&block, block_bytes);
    assert_int_equal(id_auth_make(block_bytes, id_key, author, auth), 0);
    for (size_t i = 0; i < ARRAY_SIZE(block_places); i++) {
        block_bytes[block_places[i]] ^= 1;
        assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, &why), -EKEYREJECTED);
        assert_reason(&why, "the ID block is not signed by the ID key beside it");
        block_bytes[block_places[i]] ^= 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(id_places); i++) {
        auth[id_places[i]] ^= 1;
        assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, &why), -EKEYREJECTED);
        assert_reason(&why, "the ID block is not signed by the ID key beside it");
        auth[id_places[i]] ^= 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(author_places); i++) {
        auth[author_places[i]] ^= 1;
        assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, &why), -EKEYREJECTED);
        assert_reason(&why, "the ID key is not signed by the author key beside it");
        auth[author_places[i]] ^= 1;
    }
    assert_int_equal(id_auth_verify(block_bytes, 96, auth, 4096, &digests, NULL), 0);
    assert_int_equal(id_auth_verify(block_bytes, 95, auth, 4096, &digests, NULL), -EBADMSG);
}

static void refuses_other_auths(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *id_key = p384_key(3), *author = p384_key(5);
    static const struct {
        size_t at;
        uint8_t value;
        const char *words;
    } changes[] = {
        { 0x000, 2, "ID key algorithm 2, expected 1" },
        { 0x000, 0, "ID key algorithm 0, expected 1" },
        { 0x004, 0, "author key algorithm 0, expected 1" },
        { 0x004, 2, "author key algorithm 2, expected 1" },
        { 0x008, 1, "reserved bytes are not zero" },
        { 0x03f, 1, "reserved bytes are not zero" },
        { 0x644, 1, "reserved bytes are not zero" },
        { 0x67f, 1, "reserved bytes are not zero" },
        { 0xc84, 1, "reserved bytes are not zero" },
        { 0xfff, 1, "reserved bytes are not zero" },
        { 0x240, 1, "the ID key is no P-384 key" },
        { 0x244 + 48, 1, "the ID key is no P-384 key" },
        { 0x643, 1, "the ID key is no P-384 key" },
        { 0x040 + 48, 1, "the block's signature is none of P-384" },
        { 0x23f, 1, "the block's signature is none of P-384" },
        { 0x880, 1, "the author key is no P-384 key" },
        { 0xc83, 1, "the author key is no P-384 key" },
        { 0x680 + 48 + 72, 1, "the author's signature is none of P-384" },
    };
    uint8_t block_bytes[ID_BLOCK_BYTES], auth[ID_AUTH_BYTES + 1] = { 0 };
    struct id_block block = sample();

    id_block_encode(&block, block_bytes);
    assert_int_equal(id_auth_make(block_bytes, id_key, author, auth), 0);
    assert_auth_refused(auth, 4095, "an ID authentication has 4096 bytes, found 4095");
    assert_auth_refused(auth, 4097, "an ID authentication has 4096 bytes, found 4097");
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        uint8_t before = auth[changes[i].at];

        auth[changes[i].at] = changes[i].value;
        assert_auth_refused(auth, 4096, changes[i].words);
        auth[changes[i].at] = before;
    }
    /* Half an author: a key without a signature is no absent author. */
    memset(auth + 0x680, 0, ID_SIGNATURE_BYTES + ID_KEY_BYTES);
    auth[4] = 3;
    assert_auth_refused(auth, 4096, "author key algorithm 3, expected 1 or 0");
}

static void refuses_other_keys(void **state UNUSED)
{
    CLEANUP_KEY EVP_PKEY *id_key = p384_key(3), *ed25519 = ed25519_key(rfc8032_seed);
    uint8_t block_bytes[ID_BLOCK_BYTES], auth[ID_AUTH_BYTES], key[ID_KEY_BYTES];
    struct id_block block = sample();

    id_block_encode(&block, block_bytes);
    assert_int_equal(id_auth_make(block_bytes, ed25519, NULL, auth), -EINVAL);
    assert_int_equal(id_auth_make(block_bytes, id_key, ed25519, auth), -EINVAL);
    assert_int_equal(id_key_encode(ed25519, key), -EINVAL);
    assert_int_equal(id_policy_check(ID_POLICY_DEFAULT | ID_POLICY_DEBUG, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_known_layout),   cmocka_unit_test(refuses_other_blocks),
        cmocka_unit_test(verifies_what_it_makes), cmocka_unit_test(notices_any_change),
        cmocka_unit_test(refuses_other_auths),    cmocka_unit_test(refuses_other_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
