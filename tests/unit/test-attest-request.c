/* init/attest-request: what a workload may ask, and every way of asking otherwise. */
#include "unit.h"

#include "init/attest-request.h"

static struct attest_request request;
static struct reason why;

static unsigned ask(const char *method, const char *target)
{
    struct http_message message = { .method = method };

    assert_true(strlen(target) < sizeof(message.target));
    (void)snprintf(message.target, sizeof(message.target), "%s", target);
    memset(&request, 0x5a, sizeof(request));
    why.text[0] = '\0';
    return attest_request_read(&message, &request, &why);
}

static void assert_data(const char *value, const void *data, size_t size)
{
    char target[HTTP_MAX_TARGET_BYTES];

    (void)snprintf(target, sizeof(target), ATTEST_EVIDENCE_PATH "?runtime_data=%s", value);
    if (ask("GET", target) != 200)
        fail_msg("%s: %s", target, why.text);
    assert_int_equal(request.size, size);
    assert_memory_equal(request.data, data, size);
}

static void decodes_data(void **state UNUSED)
{
    assert_data("xxxx", "xxxx", 4);
    assert_data("a%20b+c%2B", "a b c+", 6);
    assert_data("%00", "\0", 1);
    assert_data("%00%ff%Ff%7B%22", "\0\xff\xff{\"", 5);
    assert_data("-._~*09azAZ", "-._~*09azAZ", 11);
}

static void takes_the_name_of_a_resource(void **state UNUSED)
{
    assert_int_equal(ask("GET", "/cdh/resource/default/app/token"), 200);
    assert_string_equal(request.resource, "default/app/token");
    assert_int_equal(request.size, 0);
    assert_int_equal(ask("GET", "/aa/evidence?runtime_data=x"), 200);
    assert_string_equal(request.resource, "");
}

static void takes_as_much_as_fits(void **state UNUSED)
{
    char target[HTTP_MAX_TARGET_BYTES];
    size_t head = strlen(ATTEST_EVIDENCE_PATH "?runtime_data=");

    memset(target, 'a', sizeof(target) - 1);
    target[sizeof(target) - 1] = '\0';
    memcpy(target, ATTEST_EVIDENCE_PATH "?runtime_data=", head);
    assert_int_equal(ask("GET", target), 200);
    assert_int_equal(request.size, sizeof(target) - 1 - head);
}

static void assert_refused(const char *method, const char *target, unsigned status, const char *words)
{
    struct attest_request untouched;
    unsigned found = ask(method, target);

    memset(&untouched, 0x5a, sizeof(untouched));
    if (found != status || !strstr(why.text, words))
        fail_msg("%s %s: %u %s", method, target, found, why.text);
    assert_memory_equal(&request, &untouched, sizeof(request));
}

static void refuses_everything_else(void **state UNUSED)
{
    static const char *const paths[] = { "/", "*", "aa/evidence?runtime_data=x", "/aa", "/aa/evidence/?runtime_data=x",
                                         "/aa/evidences?runtime_data=x", "/AA/evidence?runtime_data=x",
                                         "//aa/evidence?runtime_data=x", "/aa/./evidence?runtime_data=x",
                                         "/aa/%65vidence?runtime_data=x", "/aa/token?token_type=kbs",
                                         "/cdh/resource/", "/cdh/resource", "http://x/aa/evidence?runtime_data=x",
                                         "/aa/evidence#?runtime_data=x" };
    static const char *const queries[] = { "", "?", "?x=1", "?runtime_dat=x", "?runtime_data", "?Runtime_data=x",
                                           "?x=1&runtime_data=x", "??runtime_data=x", "?encoding=base64" };
    static const char *const values[] = { "x&y", "x&runtime_data=y", "x=", "x#y", "%", "%1", "%zz", "%1g", "%-1", "% 1",
                                          "a/b", "a?b", "a:b", "{", "\xc3\xa4", "x;y" };
    static const char *const methods[] = { "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "get" };
    char target[128];

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_refused("GET", paths[i], 404, "there is /aa/evidence?runtime_data=");
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        (void)snprintf(target, sizeof(target), "%s%s", ATTEST_EVIDENCE_PATH, queries[i]);
        assert_refused("GET", target, 400, "expected one parameter, runtime_data");
    }
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        (void)snprintf(target, sizeof(target), "%s?runtime_data=%s", ATTEST_EVIDENCE_PATH, values[i]);
        assert_refused("GET", target, 400, "runtime_data: expected letters, digits");
    }
    assert_refused("GET", ATTEST_EVIDENCE_PATH "?runtime_data=", 400, "runtime_data is empty");
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        assert_refused(methods[i], ATTEST_EVIDENCE_PATH "?runtime_data=x", 405, "expected the method GET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_data),
        cmocka_unit_test(takes_the_name_of_a_resource),
        cmocka_unit_test(takes_as_much_as_fits),
        cmocka_unit_test(refuses_everything_else),
    };

    return cmocka_run_group_tests_name("attest-request", tests, NULL, NULL);
}
