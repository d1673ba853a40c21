/* broker/request: which path goes where, and which cookie counts. */
#include "unit.h"

#include "broker/request.h"

#define ID "00112233445566778899aabbccddeeff"
#define COOKIE "kbs-session-id=" ID

static void paths_have_routes(void **state UNUSED)
{
    static const struct {
        const char *target;
        enum route route;
        const char *resource;
    } paths[] = {
        { "/kbs/v0/auth", ROUTE_AUTH, NULL },
        { "/kbs/v0/attest", ROUTE_ATTEST, NULL },
        { "/healthz", ROUTE_HEALTH, NULL },
        { "/kbs/v0/resource/default/volume/data", ROUTE_RESOURCE, "default/volume/data" },
        { "/kbs/v0/resource/_/-/0.a.b", ROUTE_RESOURCE, "_/-/0.a.b" },
        { "/kbs/v0/resource/a/b/c..", ROUTE_RESOURCE, "a/b/c.." },
        { "/kbs/v0/provisioner/default/x/root", ROUTE_PLUGIN, NULL },
        { "/kbs/v0/pkcs11/", ROUTE_PLUGIN, NULL },
        { "/kbs/v0/resources/a/b/c", ROUTE_PLUGIN, NULL },
        { "", ROUTE_NONE, NULL },
        { "*", ROUTE_NONE, NULL },
        { "/", ROUTE_NONE, NULL },
        { "/kbs/v0", ROUTE_NONE, NULL },
        { "/kbs/v0/", ROUTE_NONE, NULL },
        { "/kbs/v0//auth", ROUTE_NONE, NULL },
        { "/kbs/v0/Auth", ROUTE_NONE, NULL },
        { "/kbs/v0/auth?", ROUTE_NONE, NULL },
        { "/kbs/v0/authentication", ROUTE_NONE, NULL },
        { "/kbs/v00/auth", ROUTE_NONE, NULL },
        { "https://x/kbs/v0/auth", ROUTE_NONE, NULL },
        { "/healthz?", ROUTE_NONE, NULL },
        { "/kbs/v0/resource", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a//c", ROUTE_NONE, NULL },
        { "/kbs/v0/resource//b/c", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/c/", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/c?x", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/%63", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/../c", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/.b/c", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/c'--", ROUTE_NONE, NULL },
        { "/kbs/v0/resource/a/b/c d", ROUTE_NONE, NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char *copy = exact_copy(paths[i].target, strlen(paths[i].target) + 1);
        const char *resource = NULL;

        if (request_route(copy, &resource) != paths[i].route)
            fail_msg("route of %s", paths[i].target);
        if (paths[i].resource)
            assert_string_equal(resource, paths[i].resource);
        else
            assert_null(resource);
        free(copy);
    }
}

static void names_have_a_length(void **state UNUSED)
{
    char name[RELEASE_MAX_RESOURCE_BYTES + 2];

    memset(name, 'x', sizeof(name));
    name[1] = name[3] = '/';
    name[RELEASE_MAX_RESOURCE_BYTES] = '\0';
    assert_true(request_resource_valid(name));
    name[RELEASE_MAX_RESOURCE_BYTES] = 'x';
    name[RELEASE_MAX_RESOURCE_BYTES + 1] = '\0';
    assert_false(request_resource_valid(name));
}

static void one_cookie_counts(void **state UNUSED)
{
    static const struct {
        const char *text;
        bool good;
    } cookies[] = {
        { COOKIE, true },
        { "a=b; " COOKIE, true },
        { COOKIE "; a=b", true },
        { "a=b;" COOKIE ";c=d", true },
        { "; ;; " COOKIE " ;", true },
        { "akbs-session-id=" ID "; " COOKIE, true },
        { "kbs-session-id=short; " COOKIE, true },
        { "", false },
        { ";", false },
        { "kbs-session-id=", false },
        { "kbs-session-id=" ID "0", false },
        { "kbs-session-id=0011223344556677", false },
        { "kbs-session-id=00112233445566778899AABBCCDDEEFF", false },
        { "kbs-session-id=\"" ID "\"", false },
        { "kbs-session-id =" ID, false },
        { "KBS-session-id=" ID, false },
        { "akbs-session-id=" ID, false },
        { "kbs-session-id=0011223344556677889 aabbccddeeff", false },
        { COOKIE "; " COOKIE, false },
        { COOKIE "," COOKIE, false },
    };
    static const uint8_t wanted[NONCE_SESSION_BYTES] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                                         0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

    for (size_t i = 0; i < ARRAY_SIZE(cookies); i++) {
        char *copy = exact_copy(cookies[i].text, strlen(cookies[i].text) + 1);
        uint8_t session[NONCE_SESSION_BYTES] = { 1 };

        if (request_session(copy, session) != cookies[i].good)
            fail_msg("cookie %s", cookies[i].text);
        if (cookies[i].good)
            assert_memory_equal(session, wanted, sizeof(wanted));
        else
            assert_int_equal(session[0], 1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_routes),
        cmocka_unit_test(names_have_a_length),
        cmocka_unit_test(one_cookie_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
