/* broker/nonce and broker/session: challenges without memory, sessions with little. */
#include "unit.h"

#include "base/encode.h"
#include "broker/nonce.h"
#include "broker/session.h"

#define START 5000000
#define LIFE 300000

static struct nonces nonces;

static int make(void **state UNUSED)
{
    return nonces_init(&nonces, START, LIFE);
}

static int clean(void **state UNUSED)
{
    nonces_free(&nonces);
    return 0;
}

static void ours_are_known_for_their_time(void **state UNUSED)
{
    static const uint64_t ages[] = { 0, 1, 255, 256, 65536, UINT64_C(1) << 40 };

    for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
        uint64_t at = START + ages[i];
        struct challenge challenge, found;

        assert_int_equal(nonce_issue(&nonces, at, &challenge), 0);
        assert_int_equal(strlen(challenge.text), RELEASE_NONCE_TEXT_BYTES - 1);
        assert_int_equal(challenge.expires_ms, at + LIFE);
        assert_int_equal(nonce_check(&nonces, challenge.text, at, &found), NONCE_GOOD);
        assert_memory_equal(&found.nonce, &challenge.nonce, sizeof(found.nonce));
        assert_memory_equal(&found.session, &challenge.session, sizeof(found.session));
        assert_int_equal(found.expires_ms, challenge.expires_ms);
        assert_int_equal(nonce_check(&nonces, challenge.text, at + LIFE - 1, &found), NONCE_GOOD);
        assert_int_equal(nonce_check(&nonces, challenge.text, at + LIFE, &found), NONCE_EXPIRED);
        assert_int_equal(nonce_check(&nonces, challenge.text, UINT64_MAX, &found), NONCE_EXPIRED);
    }
}

static void no_two_are_alike(void **state UNUSED)
{
    static struct challenge all[1000];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        assert_int_equal(nonce_issue(&nonces, START, &all[i]), 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(all[i].text, all[k].text);
            assert_memory_not_equal(all[i].session, all[k].session, NONCE_SESSION_BYTES);
        }
    }
}

/* Random, time and MAC: no bit can be changed, so nobody makes an old nonce younger. */
static void every_bit_is_authenticated(void **state UNUSED)
{
    struct challenge challenge, found;

    assert_int_equal(nonce_issue(&nonces, START + 77, &challenge), 0);
    for (size_t bit = 0; bit < 8 * RELEASE_NONCE_BYTES; bit++) {
        uint8_t changed[RELEASE_NONCE_BYTES];
        char text[RELEASE_NONCE_TEXT_BYTES];

        memcpy(changed, challenge.nonce, sizeof(changed));
        changed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)base64_encode(BASE64_STANDARD, changed, sizeof(changed), text);
        assert_int_equal(nonce_check(&nonces, text, START + 77, &found), NONCE_UNKNOWN);
    }
}

static void other_spellings_are_unknown(void **state UNUSED)
{
    struct challenge challenge, found;
    char text[RELEASE_NONCE_TEXT_BYTES + 1];

    assert_int_equal(nonce_issue(&nonces, START, &challenge), 0);
    memcpy(text, challenge.text, RELEASE_NONCE_TEXT_BYTES);
    text[42]++; /* the last character carries two bits that belong to no byte */
    assert_int_equal(nonce_check(&nonces, text, START, &found), NONCE_UNKNOWN);
    text[42]--;
    text[43] = '\0';
    assert_int_equal(nonce_check(&nonces, text, START, &found), NONCE_UNKNOWN);
    assert_int_equal(nonce_check(&nonces, "", START, &found), NONCE_UNKNOWN);
    (void)snprintf(text, sizeof(text), "%s ", challenge.text);
    assert_int_equal(nonce_check(&nonces, text, START, &found), NONCE_UNKNOWN);
}

static void another_process_s_are_unknown(void **state UNUSED)
{
    struct nonces other;
    struct challenge challenge, found;

    assert_int_equal(nonces_init(&other, START, LIFE), 0);
    assert_int_equal(nonce_issue(&other, START, &challenge), 0);
    assert_int_equal(nonce_check(&nonces, challenge.text, START, &found), NONCE_UNKNOWN);
    nonces_free(&other);
}

/* The cookie is not the nonce's MAC, which everybody sees. */
static void a_cookie_is_not_in_its_nonce(void **state UNUSED)
{
    struct challenge challenge;

    assert_int_equal(nonce_issue(&nonces, START, &challenge), 0);
    assert_memory_not_equal(challenge.session, challenge.nonce + RELEASE_NONCE_BYTES - NONCE_SESSION_BYTES,
                            NONCE_SESSION_BYTES);
}

static struct session session_of(uint64_t expires_ms)
{
    struct session session;

    memset(&session, 0, sizeof(session));
    random_fill(session.id, sizeof(session.id));
    random_fill(session.nonce, sizeof(session.nonce));
    session.expires_ms = expires_ms;
    return session;
}

static void sessions_are_found_until_they_expire(void **state UNUSED)
{
    static struct session all[5000];
    struct sessions table = { .max = ARRAY_SIZE(all) };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        all[i] = session_of(1000 + i);
        assert_int_equal(session_add(&table, &all[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        const struct session *found = session_find(&table, all[i].id, 999 + i);

        assert_non_null(found);
        assert_memory_equal(found->nonce, all[i].nonce, sizeof(found->nonce));
        assert_null(session_find(&table, all[i].id, 1000 + i));
        all[i].id[15] ^= 1;
        assert_null(session_find(&table, all[i].id, 0));
        all[i].id[15] ^= 1;
    }
    sessions_expire(&table, 1000 + 2499);
    assert_int_equal(table.count, 2500);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        assert_int_equal(session_find(&table, all[i].id, 0) != NULL, i >= 2500);
    sessions_free(&table);
    assert_int_equal(table.count, 0);
}

static void a_full_table_gives_nobody_up(void **state UNUSED)
{
    struct sessions table = { .max = 2 };
    struct session a = session_of(100), b = session_of(200), c = session_of(300);

    assert_false(sessions_full(&table, 0));
    assert_int_equal(session_add(&table, &a), 0);
    assert_int_equal(session_add(&table, &b), 0);
    assert_true(sessions_full(&table, 99));
    assert_int_equal(session_add(&table, &c), -ENOSPC);
    assert_non_null(session_find(&table, a.id, 99));
    assert_false(sessions_full(&table, 100));
    assert_int_equal(session_add(&table, &c), 0);
    assert_null(session_find(&table, a.id, 100));
    assert_non_null(session_find(&table, b.id, 100));
    assert_non_null(session_find(&table, c.id, 100));
    sessions_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_are_known_for_their_time),
        cmocka_unit_test(no_two_are_alike),
        cmocka_unit_test(every_bit_is_authenticated),
        cmocka_unit_test(other_spellings_are_unknown),
        cmocka_unit_test(another_process_s_are_unknown),
        cmocka_unit_test(a_cookie_is_not_in_its_nonce),
        cmocka_unit_test(sessions_are_found_until_they_expire),
        cmocka_unit_test(a_full_table_gives_nobody_up),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
