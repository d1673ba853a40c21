/* base/endpoint: literal addresses with a port, names beside one, and nothing else. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/endpoint.h"

static void reads_version_4(void **state UNUSED)
{
    struct endpoint e;
    struct sockaddr_in in;

    assert_int_equal(endpoint_parse("10.0.2.2:8443", &e), 0);
    assert_int_equal(e.address_size, sizeof(in));
    memcpy(&in, &e.address, sizeof(in));
    assert_int_equal(in.sin_family, AF_INET);
    assert_int_equal(ntohs(in.sin_port), 8443);
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0x0a000202);
    assert_string_equal(e.authority, "10.0.2.2:8443");
}

static void reads_version_6(void **state UNUSED)
{
    static const uint8_t wanted[16] = { 0xfd, 0, [15] = 2 };
    struct endpoint e;
    struct sockaddr_in6 in;

    assert_int_equal(endpoint_parse("[fd00::2]:1", &e), 0);
    assert_int_equal(e.address_size, sizeof(in));
    memcpy(&in, &e.address, sizeof(in));
    assert_int_equal(in.sin6_family, AF_INET6);
    assert_int_equal(ntohs(in.sin6_port), 1);
    assert_memory_equal(&in.sin6_addr, wanted, 16);
    assert_int_equal(in.sin6_scope_id, 0);
    assert_string_equal(e.authority, "[fd00::2]:1");
    assert_int_equal(endpoint_parse("[::]:9", &e), 0);
    assert_int_equal(endpoint_parse("[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535", &e), 0);
}

static void reads_every_port(void **state UNUSED)
{
    for (unsigned port = 1; port < 65536; port++) {
        struct endpoint e;
        struct sockaddr_in in;
        char text[32];

        (void)snprintf(text, sizeof(text), "192.0.2.190:%u", port);
        assert_int_equal(endpoint_parse(text, &e), 0);
        memcpy(&in, &e.address, sizeof(in));
        assert_int_equal(ntohs(in.sin_port), port);
    }
}

static void refuses_the_rest(void **state UNUSED)
{
    static const char *const texts[] = {
        "", ":", "10.0.2.2", "10.0.2.2:", ":8443", "10.0.2.2:0", "10.0.2.2:65536", "10.0.2.2:99999999999999999999",
        "10.0.2.2:08443", "10.0.2.2:+1", "10.0.2.2:-1", "10.0.2.2: 1", "10.0.2.2:1 ", "10.0.2.2:0x1", "10.0.2.2:1a",
        "10.0.2:1", "10.0.2.2.2:1", "10.0.2.256:1", "010.0.2.2:1", "10.0.2.02:1", "0x0a.0.2.2:1", "167772674:1",
        " 10.0.2.2:1", "broker:1", "broker.example:1", "localhost:1", "fd00::2:1", "::1:1", "[fd00::2]", "[fd00::2]:",
        "[fd00::2]:0", "[fd00::2:1", "[fd00::2]1:1", "[]:1", "[:1", "[]1:1", "]:1", "[fd00::2]]:1", "[[fd00::2]:1",
        "[fe80::1%eth0]:1", "[fe80::1%1]:1", "[10.0.2.2]:1", "[fd00::2", "[fd00:::2]:1", "[fd00::10000]:1",
        "10.0.2.2]:1", "user@10.0.2.2:1", "10.0.2.2:1:2", "10.0.2.2:1/", "10.0.2.2\n:1", "[1:1", "[a]:1",
    };
    struct endpoint e;

    memset(&e, 0x5a, sizeof(e));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char *copy = exact_copy(texts[i], strlen(texts[i]) + 1);

        if (endpoint_parse(copy, &e) != -EBADMSG)
            fail_msg("\"%s\" was accepted", texts[i]);
        free(copy);
    }
    assert_int_equal(e.authority[0], 0x5a);
}

static void reads_urls(void **state UNUSED)
{
    static const char *const good[] = { "https://10.0.2.2:8443", "https://10.0.2.2:8443/" };
    static const char *const bad[] = {
        "", "https://", "https:///", "http://10.0.2.2:8443", "HTTPS://10.0.2.2:8443", "10.0.2.2:8443",
        "https://10.0.2.2:8443//", "https://10.0.2.2:8443/kbs", "https://10.0.2.2:8443?x", "https://10.0.2.2:8443#x",
        "https://10.0.2.2", "https://10.0.2.2/", "https://u@10.0.2.2:8443", "https://broker:8443",
        " https://10.0.2.2:8443", "https:10.0.2.2:8443",
    };
    struct endpoint e;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        memset(&e, 0, sizeof(e));
        assert_int_equal(endpoint_parse_url(good[i], NULL, &e), 0);
        assert_string_equal(e.authority, "10.0.2.2:8443");
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (endpoint_parse_url(bad[i], NULL, &e) != -EBADMSG)
            fail_msg("\"%s\" was accepted", bad[i]);
}

static void takes_names_with_an_address(void **state UNUSED)
{
    static const struct {
        const char *url, *address;
    } bad[] = {
        { "https://keys.example.org:8443", "keys.example.org" }, { "https://keys.example.org:8443", "" },
        { "https://keys.example.org:8443", "10.0.2.2:8443" },    { "https://keys.example.org:8443", "[fd00::2]" },
        { "https://keys.example.org:8443", "10.0.2.2 " },        { "https://keys.example.org:8443", "fe80::1%eth0" },
        { "https://keys.example.org", "10.0.2.2" },              { "https://keys.example.org:0", "10.0.2.2" },
        { "https://Keys.example.org:8443", "10.0.2.2" },         { "https://keys_example:8443", "10.0.2.2" },
        { "https://keys example:8443", "10.0.2.2" },             { "https://keys\r\nx:8443", "10.0.2.2" },
        { "https://u@keys:8443", "10.0.2.2" },                   { "https://:8443", "10.0.2.2" },
        { "https://10.0.2.2:8443", "10.0.2.2" },                 { "https://[fd00::2]:8443", "fd00::2" },
    };
    struct endpoint e, literal;

    assert_int_equal(endpoint_parse_url("https://keys.example.org:8443/", "10.0.2.2", &e), 0);
    assert_string_equal(e.authority, "keys.example.org:8443");
    assert_string_equal(e.name, "keys.example.org");
    assert_int_equal(endpoint_parse("10.0.2.2:8443", &literal), 0);
    assert_int_equal(e.address_size, literal.address_size);
    assert_memory_equal(&e.address, &literal.address, e.address_size);
    assert_string_equal(literal.name, "");
    assert_int_equal(endpoint_parse_url("https://2nd-keys:443", "fd00::2", &e), 0);
    assert_int_equal(endpoint_parse("[fd00::2]:443", &literal), 0);
    assert_memory_equal(&e.address, &literal.address, e.address_size);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (endpoint_parse_url(bad[i].url, bad[i].address, &e) != -EBADMSG)
            fail_msg("\"%s\" at \"%s\" was accepted", bad[i].url, bad[i].address);
    assert_string_equal(e.authority, "2nd-keys:443");
}

static void refuses_texts_of_any_length(void **state UNUSED)
{
    for (size_t length = 60; length < 200; length++) {
        char text[256];
        struct endpoint e;

        memset(text, '1', length);
        memcpy(text + length, ":1", 3);
        assert_int_equal(endpoint_parse(text, &e), -EBADMSG);
        memcpy(text, "https://", 8);
        assert_int_equal(endpoint_parse_url(text, NULL, &e), -EBADMSG);
        memcpy(text, "[", 1);
        memcpy(text + length, "]:1", 4);
        assert_int_equal(endpoint_parse(text, &e), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_version_4),
        cmocka_unit_test(reads_version_6),
        cmocka_unit_test(reads_every_port),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(takes_names_with_an_address),
        cmocka_unit_test(refuses_texts_of_any_length),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
