/* attest/chain-cache: what has verified is not verified again for a minute; everything else is. */
#include "unit.h"

#include "amd-chain.h"
#include "attest/chain-cache.h"

static struct trust_roots *roots;
static uint8_t ders[2][4096];
static struct cert_table table;
static struct chain_cache cache;
static struct reason why;
static time_t expires = AMD_PRESENT + 1000;

static void add(enum certificate_kind kind, X509 *certificate, uint8_t *room)
{
    uint8_t *at = room;
    int size = i2d_X509(certificate, &at);

    assert_true(size > 0);
    table.entries[table.count++] = (struct certificate_entry){ kind, room, (size_t)size };
}

static int make_chain(void **state)
{
    static const struct tcb tcb = { 0, 4, 0, 24, 219 };
    uint8_t chip[CHIP_ID_BYTES];
    char path[] = "/tmp/postern-test-root.XXXXXX";
    struct amd_plan plan;
    X509 *ark, *ask, *vek;
    FILE *file;

    if (amd_make_keys(state) != 0)
        return -1;
    memset(chip, 7, sizeof(chip));
    plan = amd_plan_vek(SIGNING_KEY_VCEK, PRODUCT_MILAN, &tcb, chip);
    ark = amd_make_authority("ARK-Milan", amd_keys.ark, NULL, amd_keys.ark, AMD_PRESENT - AMD_YEAR,
                             AMD_PRESENT + AMD_YEAR, true);
    ask = amd_make_authority("SEV-Milan", amd_keys.ask, ark, amd_keys.ark, AMD_PRESENT - AMD_YEAR, expires, true);
    vek = amd_make_vek(&plan, ask, amd_keys.ask);
    file = fdopen(mkstemp(path), "w");
    assert_true(file && PEM_write_X509(file, ark) == 1 && fclose(file) == 0);
    assert_int_equal(trust_roots_file(path, &roots, &why), 0);
    assert_int_equal(unlink(path), 0);
    add(CERTIFICATE_ASK, ask, ders[0]);
    add(CERTIFICATE_VCEK, vek, ders[1]);
    X509_free(ark);
    X509_free(ask);
    X509_free(vek);
    return 0;
}

static int free_chain(void **state)
{
    chain_cache_clear(&cache);
    trust_roots_free(&roots);
    return amd_free_keys(state);
}

/* Verifies through the cache; whether that was a hit. */
static bool verify(time_t at, int expected)
{
    struct trust_chain chain = { .certificate = NULL };
    enum verify_step step = VERIFY_DONE;
    uint64_t hits = cache.hits;
    int r = chain_cache_verify(&cache, &table, SIGNING_KEY_VCEK, roots, at, &chain, &step, &why);

    if (r != expected)
        fail_msg("%d \"%s\", expected %d", r, why.text, expected);
    if (r == 0) {
        assert_int_equal(chain.vek.product, PRODUCT_MILAN);
        assert_int_equal(chain.vek.hwid[63], 7);
        assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(chain.certificate), amd_keys.vek), 1);
        assert_int_equal(step, VERIFY_CHAIN);
    }
    trust_chain_free(&chain);
    return cache.hits != hits;
}

static void verifies_once_in_a_minute(void **state UNUSED)
{
    chain_cache_clear(&cache);
    assert_false(verify(AMD_PRESENT, 0));
    assert_true(verify(AMD_PRESENT, 0));
    assert_true(verify(AMD_PRESENT + CHAIN_CACHE_SECONDS - 1, 0));
    assert_false(verify(AMD_PRESENT + CHAIN_CACHE_SECONDS, 0));
    assert_true(verify(AMD_PRESENT + CHAIN_CACHE_SECONDS, 0));
    assert_false(verify(AMD_PRESENT, 0)); /* the clock went back */
    chain_cache_clear(&cache);
    assert_false(verify(AMD_PRESENT, 0));
}

static void notices_every_byte(void **state UNUSED)
{
    chain_cache_clear(&cache);
    assert_false(verify(AMD_PRESENT, 0));
    for (size_t i = 0; i < table.count; i++) {
        for (size_t k = 0; k < table.entries[i].size; k += 97) {
            ders[i][k] ^= 1;
            struct trust_chain chain = { .certificate = NULL };
            enum verify_step step;

            assert_true(chain_cache_verify(&cache, &table, SIGNING_KEY_VCEK, roots, AMD_PRESENT, &chain, &step,
                                           &why) < 0);
            ders[i][k] ^= 1;
        }
    }
    table.entries[1].size--;
    assert_false(verify(AMD_PRESENT, -EBADMSG));
    table.entries[1].size++;
    table.entries[1].kind = CERTIFICATE_VLEK;
    assert_false(verify(AMD_PRESENT, -ENOKEY));
    table.entries[1].kind = CERTIFICATE_VCEK;
    assert_true(verify(AMD_PRESENT, 0));
}

static void keeps_no_failure_and_no_expired_chain(void **state UNUSED)
{
    chain_cache_clear(&cache);
    assert_false(verify(expires + 1, -EKEYREJECTED));
    assert_false(verify(expires + 1, -EKEYREJECTED));
    assert_false(verify(expires - 10, 0));
    assert_false(verify(expires + CHAIN_CACHE_SECONDS, -EKEYREJECTED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_once_in_a_minute),
        cmocka_unit_test(notices_every_byte),
        cmocka_unit_test(keeps_no_failure_and_no_expired_chain),
    };

    return cmocka_run_group_tests_name("chain-cache", tests, make_chain, free_chain);
}
