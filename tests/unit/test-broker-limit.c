/* broker/limit: shares of sources and of strangers. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "broker/limit.h"

static struct limit limit;
static const struct limit_settings settings = { .source_rate = 10, .total_rate = 20 };

static int fresh(void **state UNUSED)
{
    return limit_init(&limit, &settings);
}

static const uint8_t *key_of(unsigned number)
{
    static uint8_t key[LIMIT_KEY_BYTES];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(number) };

    limit_key((struct sockaddr *)&address, key);
    return key;
}

static unsigned take_all(unsigned source, uint64_t at_ms)
{
    unsigned taken = 0;

    while (taken < 1000 && limit_take(&limit, key_of(source), at_ms))
        taken++;
    return taken;
}

static void a_source_has_a_burst_and_a_rate(void **state UNUSED)
{
    assert_int_equal(take_all(1, 1000), 40); /* four seconds' worth */
    assert_int_equal(take_all(1, 1000), 0);
    assert_int_equal(take_all(1, 1099), 0);
    assert_int_equal(take_all(1, 1100), 1);
    assert_int_equal(take_all(1, 2100), 10);
    assert_int_equal(take_all(1, 1000000), 40); /* and never more */
}

static void strangers_share_what_is_left(void **state UNUSED)
{
    assert_int_equal(take_all(1, 1000), 40);
    assert_int_equal(take_all(2, 1000), 40);
    assert_int_equal(take_all(3, 1000), 0); /* 80 are gone */
    assert_int_equal(take_all(3, 2000), 20);
    assert_int_equal(take_all(2, 2000), 0);
}

static void who_is_known_does_not_share_with_strangers(void **state UNUSED)
{
    limit_note_known(&limit, key_of(7), 1000);
    assert_true(limit_is_known(&limit, key_of(7), 1000));
    assert_false(limit_is_known(&limit, key_of(8), 1000));
    assert_int_equal(take_all(1, 1000) + take_all(2, 1000), 80);
    assert_int_equal(take_all(7, 1000), 40); /* its own share, whatever strangers took */
    assert_int_equal(take_all(7, 1000), 0);
    assert_true(limit_is_known(&limit, key_of(7), 1000 + 3599999));
    assert_false(limit_is_known(&limit, key_of(7), 1000 + 3600000));
}

static void a_flood_of_sources_does_not_push_known_ones_out(void **state UNUSED)
{
    limit_note_known(&limit, key_of(7), 1000);
    for (unsigned i = 0; i < 200000; i++)
        (void)limit_take(&limit, key_of(1000 + i), 1001 + i / 100);
    assert_true(limit_is_known(&limit, key_of(7), 5000));
}

static void zero_is_no_limit(void **state UNUSED)
{
    static const struct limit_settings none = { 0, 0 };

    assert_int_equal(limit_init(&limit, &none), 0);
    assert_int_equal(take_all(1, 1000), 1000);
}

static void six_is_counted_by_prefix(void **state UNUSED)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6 }, b = a, c = a;
    uint8_t first[LIMIT_KEY_BYTES], second[LIMIT_KEY_BYTES], third[LIMIT_KEY_BYTES];

    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2::1", &a.sin6_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:ffff::9", &b.sin6_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:3::1", &c.sin6_addr), 1);
    limit_key((struct sockaddr *)&a, first);
    limit_key((struct sockaddr *)&b, second);
    limit_key((struct sockaddr *)&c, third);
    assert_memory_equal(first, second, LIMIT_KEY_BYTES);
    assert_memory_not_equal(first, third, LIMIT_KEY_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_source_has_a_burst_and_a_rate, fresh),
        cmocka_unit_test_setup(strangers_share_what_is_left, fresh),
        cmocka_unit_test_setup(who_is_known_does_not_share_with_strangers, fresh),
        cmocka_unit_test_setup(a_flood_of_sources_does_not_push_known_ones_out, fresh),
        cmocka_unit_test_setup(zero_is_no_limit, fresh),
        cmocka_unit_test(six_is_counted_by_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
