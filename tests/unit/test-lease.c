/* init/lease-parse.c: what a DHCP server may say, and what of it is taken. */
#include "unit.h"

#include "init/dhcp-files.h"
#include "init/lease.h"

#define RIGHT "interface=eth0", "ip=10.9.0.77", "subnet=255.255.255.0", "router=10.9.0.1 10.9.0.2"

static void a_lease_is_read(void **state UNUSED)
{
    char *const words[] = { RIGHT, "dns=10.9.0.3 10.9.0.4 10.9.0.5 10.9.0.6", "mtu=1400", "hostname=$(reboot)",
                            "staticroutes=0.0.0.0/0 8.8.8.8", "lease=600", NULL };
    static const uint8_t address[] = { 10, 9, 0, 77 }, router[] = { 10, 9, 0, 1 }, third[] = { 10, 9, 0, 5 };
    struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" };
    struct lease lease;

    assert_int_equal(lease_parse(words, &lease, &why), 0);
    assert_memory_equal(lease.address.bytes, address, 4);
    assert_int_equal(lease.address.prefix_bits, 24);
    assert_true(lease.has_router && !lease.router_on_link);
    assert_memory_equal(lease.router.bytes, router, 4);
    assert_int_equal(lease.resolver_count, 3);
    assert_memory_equal(lease.resolvers[2], third, 4);
    assert_int_equal(lease.mtu, 1400);
    lease_write_resolvers(&lease, &text);
    assert_string_equal(buffer_text(&text), "nameserver 10.9.0.3\nnameserver 10.9.0.4\nnameserver 10.9.0.5\n");
    buffer_free(&text);
}

static void the_least_lease_is_read(void **state UNUSED)
{
    char *const words[] = { "subnet=255.0.0.0", "ip=10.0.0.1", NULL };
    struct reason why = { "" };
    struct lease lease;

    assert_int_equal(lease_parse(words, &lease, &why), 0);
    assert_int_equal(lease.address.prefix_bits, 8);
    assert_false(lease.has_router);
    assert_int_equal(lease.resolver_count + lease.mtu, 0);
}

/* Some clouds give each guest a network of its own; the router then lies outside. */
static void a_host_route_has_its_router_on_the_link(void **state UNUSED)
{
    char *const words[] = { "ip=203.0.113.9", "subnet=255.255.255.255", "router=172.31.1.1", NULL };
    struct reason why = { "" };
    struct lease lease;

    assert_int_equal(lease_parse(words, &lease, &why), 0);
    assert_true(lease.has_router && lease.router_on_link);
}

static void a_measured_mtu_comes_first(void **state UNUSED)
{
    char *const words[] = { RIGHT, "mtu=576", DHCP_MEASURED_MTU "=9000", NULL };
    struct lease lease;
    struct reason why = { "" };

    assert_int_equal(lease_parse(words, &lease, &why), 0);
    assert_int_equal(lease.mtu, 9000);
}

static void lies_are_refused(void **state UNUSED)
{
    static char *const lies[][8] = {
        { "subnet=255.255.255.0", NULL, "ip: \"\" is no address" },
        { "ip=0.0.0.0", "subnet=255.255.255.0", NULL, "ip: \"0.0.0.0\"" },
        { "ip=127.0.0.1", "subnet=255.255.255.0", NULL, "ip: \"127.0.0.1\"" },
        { "ip=224.0.0.1", "subnet=255.255.255.0", NULL, "ip: \"224.0.0.1\"" },
        { "ip=255.255.255.255", "subnet=255.255.255.0", NULL, "ip: \"255" },
        { "ip=10.9.0.77 10.9.0.78", "subnet=255.255.255.0", NULL, "ip: \"10.9.0.77 10.9.0.78\"" },
        { "ip=10.9.0.77;reboot", "subnet=255.255.255.0", NULL, "ip: \"10.9.0.77;reboot\"" },
        { "ip=10.9.0.77", NULL, "subnet: \"\" is no mask" },
        { "ip=10.9.0.77", "subnet=255.0.255.0", NULL, "subnet: \"255.0.255.0\"" },
        { "ip=10.9.0.77", "subnet=0.0.0.0", NULL, "subnet: \"0.0.0.0\"" },
        { "ip=10.9.0.77", "subnet=254.0.0.0", NULL, "subnet: \"254.0.0.0\"" },
        { RIGHT, "router=10.9.0.1", NULL, "twice" },
        { "ip=10.9.0.77", "subnet=255.255.255.0", "router=10.9.0.77", NULL, "router: \"10.9.0.77\"" },
        { "ip=10.9.0.77", "subnet=255.255.255.0", "router=8.8.8.8", NULL, "not another host" },
        { "ip=10.9.0.77", "subnet=255.255.255.0", "router=x", NULL, "router: \"x\" is no address" },
        { RIGHT, "dns=10.9.0.3 x", NULL, "dns: \"10.9.0.3 x\"" },
        { RIGHT, "dns=10.9.0.3  10.9.0.4", NULL, "dns:" },
        { RIGHT, "dns=127.0.0.1", NULL, "dns:" },
        { RIGHT, "mtu=575", NULL, "mtu: \"575\"" },
        { RIGHT, "mtu=9217", NULL, "mtu: \"9217\"" },
        { RIGHT, "mtu=", NULL, "mtu: \"\"" },
        { RIGHT, "mtu=1400x", NULL, "mtu: \"1400x\"" },
        { RIGHT, "mtu=42949673960", NULL, "mtu: \"42949673960\"" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        struct lease lease = { .mtu = 7 };
        struct reason why = { "" };
        size_t count = 0;

        while (lies[i][count])
            count++;
        assert_int_equal(lease_parse(lies[i], &lease, &why), -EBADMSG);
        assert_reason(&why, lies[i][count + 1]);
        assert_int_equal(lease.mtu, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_read),
        cmocka_unit_test(the_least_lease_is_read),
        cmocka_unit_test(a_host_route_has_its_router_on_the_link),
        cmocka_unit_test(a_measured_mtu_comes_first),
        cmocka_unit_test(lies_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
