/* luks/tree: statements of signers, the right ones and all others. */
#include "unit.h"

#include <openssl/ec.h>

#include "base/cursor.h"
#include "luks/tree.h"

static EVP_PKEY *signer, *other;

static int make_keys(void **state UNUSED)
{
    signer = EVP_EC_gen("P-384");
    other = EVP_EC_gen("P-384");
    return signer && other ? 0 : -1;
}

static int free_keys(void **state UNUSED)
{
    EVP_PKEY_free(signer);
    EVP_PKEY_free(other);
    return 0;
}

static struct tree_statement right_statement(void)
{
    struct tree_statement statement = {
        .volume_id = "app", .version = 3, .tree = { .data_blocks = 7, .hash_start_block = 8, .salt_size = 2 }
    };

    memset(statement.tree.root_hash, 0x5a, sizeof(statement.tree.root_hash));
    memset(statement.tree.salt, 0xab, 2);
    return statement;
}

static void a_signed_tree_is_read_back(void **state UNUSED)
{
    struct tree_statement statement = right_statement(), found = { .version = 77 };
    struct tree_expectation expected = { "app", 3, signer };
    uint8_t block[TREE_BLOCK_BYTES];
    struct reason why = { "" };

    assert_int_equal(tree_sign(&statement, signer, block), 0);
    assert_int_equal(tree_verify(block, &expected, &found, &why), 0);
    assert_string_equal(found.volume_id, "app");
    assert_int_equal(found.version, 3);
    assert_int_equal(found.tree.data_blocks, 7);
    assert_int_equal(found.tree.hash_start_block, 8);
    assert_int_equal(found.tree.salt_size, 2);
    assert_memory_equal(found.tree.salt, statement.tree.salt, 2);
    assert_memory_equal(found.tree.root_hash, statement.tree.root_hash, 32);
    found.version = 77;
    expected.signer = other;
    assert_int_equal(tree_verify(block, &expected, &found, &why), -EKEYREJECTED);
    assert_reason(&why, "not signed by the configured signer");
    expected = (struct tree_expectation){ "app", 4, signer };
    assert_int_equal(tree_verify(block, &expected, &found, &why), -EKEYREJECTED);
    assert_reason(&why, "is version 3, expected 4 or later");
    expected = (struct tree_expectation){ "ap", 3, signer };
    assert_int_equal(tree_verify(block, &expected, &found, &why), -EKEYREJECTED);
    assert_reason(&why, "is that of \"app\"");
    assert_int_equal(found.version, 77);
}

/* Every bit: of what is signed, of the signature, and of the rest of the block. */
static void changed_blocks_are_refused(void **state UNUSED)
{
    struct tree_statement statement = right_statement(), found = { .version = 77 };
    const struct tree_expectation expected = { "app", 3, signer };
    uint8_t block[TREE_BLOCK_BYTES];

    assert_int_equal(tree_sign(&statement, signer, block), 0);
    for (size_t i = 0; i < TREE_BLOCK_BYTES * 8; i += i < 300 * 8 ? 1 : 61) {
        struct reason why = { "" };
        int r;

        block[i / 8] ^= (uint8_t)(1u << i % 8);
        r = tree_verify(block, &expected, &found, &why);
        if (r != -EBADMSG && r != -EKEYREJECTED)
            fail_msg("bit %zu: %d", i, r);
        assert_true(why.text[0]);
        block[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(found.version, 77);
    assert_int_equal(tree_verify(block, &expected, &found, NULL), 0);
}

static void what_no_guest_would_take_is_not_signed(void **state UNUSED)
{
    struct tree_statement wrong[6];
    EVP_PKEY *p256 = EVP_EC_gen("P-256");
    uint8_t block[TREE_BLOCK_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        wrong[i] = right_statement();
    wrong[0].volume_id[0] = '\0';
    wrong[1].volume_id[0] = 'A';
    wrong[2].tree.data_blocks = 0;
    wrong[3].tree.hash_start_block = 6;
    wrong[4].tree.salt_size = 33;
    wrong[5].tree.data_blocks = wrong[5].tree.hash_start_block = (UINT64_C(1) << 40) + 1;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(tree_sign(&wrong[i], signer, block), -EINVAL);
    wrong[0] = right_statement();
    assert_int_equal(tree_sign(&wrong[0], p256, block), -EINVAL);
    assert_int_equal(tree_sign(&wrong[0], signer, block), 0);
    EVP_PKEY_free(p256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_tree_is_read_back),
        cmocka_unit_test(changed_blocks_are_refused),
        cmocka_unit_test(what_no_guest_would_take_is_not_signed),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
