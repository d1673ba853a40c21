/* init/attest-socket: one connection at a time, with this program's own ioctl() in the place of the driver's. */
#include "unit.h"

#include <linux/sev-guest.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attest/report.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "init/attest-socket.h"

static const struct device_paths paths = { "/nonexistent/tsm", "/dev/null" };
static uint8_t asked[REPORT_DATA_BYTES]; /* the last request's REPORT_DATA */
static unsigned calls;
static uint32_t firmware_error;

/* A firmware that signs nothing, which nobody here looks at. */
int ioctl(int fd UNUSED, unsigned long command, ...)
{
    struct report report = { .version = 3, .policy = 0x30000, .signature_algorithm = 1, .cpuid_family = 0x19 };
    struct snp_guest_request_ioctl *request;
    struct snp_ext_report_req *in;
    struct snp_report_resp *out;
    va_list arguments;

    va_start(arguments, command);
    request = va_arg(arguments, struct snp_guest_request_ioctl *);
    va_end(arguments);
    assert_int_equal(command, SNP_GET_EXT_REPORT);
    in = (void *)(uintptr_t)request->req_data;
    out = (void *)(uintptr_t)request->resp_data;
    memcpy(asked, in->data.user_data, sizeof(asked));
    memcpy(report.report_data, asked, sizeof(asked));
    put_u32le(out->data, 0);
    put_u32le(out->data + 4, REPORT_BYTES);
    report_encode(&report, out->data + 0x20);
    calls++;
    request->fw_error = firmware_error;
    errno = EIO;
    return firmware_error ? -1 : 0;
}

static struct config_attestation config;
static struct attest_budget budget;
static char answer[65536];

struct caller {
    int fd;
    const char *text;
    bool stay; /* until the answer has come */
    unsigned pause_ms;
};

static void *call(void *argument)
{
    const struct caller *caller = argument;
    size_t used = 0;
    ssize_t n;

    clock_sleep_ms(caller->pause_ms);
    n = send(caller->fd, caller->text, strlen(caller->text), MSG_NOSIGNAL);
    if (n < 0)
        used = (size_t)snprintf(answer, sizeof(answer), "not sent: %s", strerror(errno));
    while (n >= 0 && caller->stay && used < sizeof(answer) - 1 &&
           (n = recv(caller->fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
        used += (size_t)n;
    (void)close(caller->fd);
    return NULL;
}

static struct secret resources[2];
static unsigned pause_ms; /* before a caller sends what it has to say */

/* What a caller of this text gets. */
static const char *ask(const char *text, bool stay)
{
    struct caller caller = { .text = text, .stay = stay, .pause_ms = pause_ms };
    pthread_t thread;
    int fds[2];

    memset(answer, 0, sizeof(answer));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    caller.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
    attest_socket_answer(fds[1], &config, resources, &paths, &budget);
    (void)close(fds[1]);
    (void)pthread_join(thread, NULL);
    return answer;
}

#define REQUEST(value) "GET /aa/evidence?runtime_data=" value " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static int set_up(void **state UNUSED)
{
    config = (struct config_attestation){ .uids = { 4242, getuid() }, .uid_count = 2, .resource_count = 2 };
    assert_int_equal(resource_parse("default/app/key", 15, &config.resources[0]), 0);
    assert_int_equal(resource_parse("default/app/token", 17, &config.resources[1]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
        secret_free(&resources[i]);
    assert_int_equal(secret_copy("key", 3, &resources[0]), 0);
    assert_int_equal(secret_copy("to\0ken\n", 7, &resources[1]), 0);
    budget = (struct attest_budget){ .left = ATTEST_BURST, .refilled_ms = clock_ms() };
    calls = 0;
    firmware_error = 0;
    memset(asked, 0, sizeof(asked));
    return 0;
}

static void assert_answer(const char *text, const char *status, const char *words)
{
    const char *found = ask(text, true), *body = strstr(found, "\r\n\r\n");

    if (strncmp(found, "HTTP/1.1 ", 9) != 0 || strncmp(found + 9, status, strlen(status)) != 0 || !body ||
        !strstr(body, words))
        fail_msg("%s: %s", text, found);
}

/* Byte by byte, without the processor and its rate, and as often as it is asked for. */
static void gives_the_configured_resources(void **state UNUSED)
{
    static const char wanted[] = "Content-Length: 7\r\nConnection: close\r\n\r\nto\0ken\n";

    budget.left = 0;
    for (int i = 0; i < 6; i++) {
        assert_answer("GET /cdh/resource/default/app/token HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "to");
        assert_non_null(strstr(answer, "Content-Type: application/octet-stream\r\n"));
        assert_non_null(memmem(answer, sizeof(answer), wanted, sizeof(wanted) - 1));
    }
    assert_answer("GET /cdh/resource/default/app/key HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "key");
    assert_int_equal(calls, 0);
    config.uids[1] = 4243;
    assert_answer("GET /cdh/resource/default/app/key HTTP/1.1\r\nHost: x\r\n\r\n", "403 ", "may not");
}

/* The hash of label and data, and the tag: what the caller gives is never what the processor signs. */
static void gives_evidence_for_the_workloads_purpose(void **state UNUSED)
{
    static const char hashed[] = "postern:evidence\0some {data}";
    uint8_t wanted[REPORT_DATA_BYTES];

    assert_answer(REQUEST("some+%7Bdata%7D"), "200 ", "{\"attestation_report\":{");
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_int_equal(calls, 1);
    assert_int_equal(EVP_Digest(hashed, sizeof(hashed) - 1, wanted, NULL, EVP_sha384(), NULL), 1);
    memcpy(wanted + 48, "postern/workload", 16);
    assert_memory_equal(asked, wanted, sizeof(wanted));
}

/* Whatever the data is, the tag is the workload's. */
static void never_has_the_release_tag(void **state UNUSED)
{
    static const char *const values[] = { "%00", "%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00", "postern%2Fself", "x" };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char text[256];

        (void)snprintf(text, sizeof(text), "GET /aa/evidence?runtime_data=%s HTTP/1.1\r\nHost: x\r\n\r\n", values[i]);
        assert_answer(text, "200 ", "attestation_report");
        assert_false(purpose_is_release(asked));
        assert_memory_equal(asked + 48, "postern/workload", 16);
    }
}

static void minds_the_user(void **state UNUSED)
{
    char words[64];

    config.uids[1] = getuid() + 1;
    (void)snprintf(words, sizeof(words), "user id %u may not have evidence", (unsigned)getuid());
    assert_answer(REQUEST("x"), "403 ", words);
    pause_ms = 50; /* who is refused before it spoke hears of it all the same */
    assert_answer(REQUEST("x"), "403 ", words);
    pause_ms = 0;
    config.uid_count = 0;
    assert_answer(REQUEST("x"), "403 ", words);
    assert_int_equal(calls, 0);
    assert_int_equal(budget.left, ATTEST_BURST);
}

static void refuses_bad_requests(void **state UNUSED)
{
    assert_answer("GET /cdh/resource/ HTTP/1.1\r\nHost: x\r\n\r\n", "404 ", "and nothing else");
    assert_answer("GET /cdh/resources HTTP/1.1\r\nHost: x\r\n\r\n", "404 ", "and nothing else");
    assert_answer("GET /cdh/resource/default/volume/data HTTP/1.1\r\nHost: x\r\n\r\n", "404 ",
                  "attestation.resources of postern.json(5) does not name it");
    assert_answer("GET /cdh/resource/default/app/token?x HTTP/1.1\r\nHost: x\r\n\r\n", "404 ", "does not name it");
    assert_answer("GET /cdh/resource/default/app/%74oken HTTP/1.1\r\nHost: x\r\n\r\n", "404 ", "does not name it");
    assert_answer("DELETE /cdh/resource/default/app/token HTTP/1.1\r\nHost: x\r\n\r\n", "405 ", "expected the method GET");
    assert_answer("POST /aa/evidence?runtime_data=x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                  "405 ", "expected the method GET");
    assert_non_null(strstr(answer, "Allow: GET\r\n"));
    assert_answer(REQUEST(""), "400 ", "runtime_data is empty");
    assert_answer("hello\n", "400 ", "expected one HTTP/1.1 request");
    assert_answer("GET /aa/evidence?runtime_data=x HTTP/1.0\r\n\r\n", "400 ", "expected one HTTP/1.1 request");
    assert_answer("GET /aa/evidence?runtime_data=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny", "400 ",
                  "without a body");
    assert_answer(REQUEST("x") REQUEST("y"), "400 ", "expected one HTTP/1.1 request");
    assert_int_equal(calls, 0);
    assert_int_equal(budget.left, ATTEST_BURST);
}

/* Callers that say nothing, or go away, hold nobody up for longer than their time. */
static void outlives_slow_callers(void **state UNUSED)
{
    assert_answer("GET /aa/evidence?runti", "400 ", "within 2000 ms");
    (void)ask("", false);
    (void)ask(REQUEST("x"), false);
    assert_answer(REQUEST("x"), "200 ", "attestation_report");
}

static void tells_of_the_firmware(void **state UNUSED)
{
    firmware_error = 0x27;
    assert_answer(REQUEST("x"), "500 ", "the firmware refused the request with status 0x27");
}

static void limits_the_rate(void **state UNUSED)
{
    budget.refilled_ms = 0; /* long ago */
    for (unsigned i = 0; i < ATTEST_BURST; i++)
        assert_answer(REQUEST("x"), "200 ", "attestation_report");
    budget = (struct attest_budget){ .left = 0, .refilled_ms = clock_ms() + 1000000 };
    assert_answer(REQUEST("x"), "429 ", "one report every 2 s");
    assert_non_null(strstr(answer, "Retry-After: 2\r\n"));
    assert_int_equal(calls, ATTEST_BURST);
}

static void refills_the_budget(void **state UNUSED)
{
    struct attest_budget b = { .left = ATTEST_BURST, .refilled_ms = 1000 };

    for (unsigned i = 0; i < ATTEST_BURST; i++)
        assert_true(attest_budget_take(&b, 1000));
    assert_false(attest_budget_take(&b, 1000));
    assert_false(attest_budget_take(&b, 1000 + ATTEST_REFILL_MS - 1));
    assert_true(attest_budget_take(&b, 1000 + ATTEST_REFILL_MS));
    assert_false(attest_budget_take(&b, 1000 + 2 * ATTEST_REFILL_MS - 1)); /* what is left of a period counts */
    assert_true(attest_budget_take(&b, 1000 + 2 * ATTEST_REFILL_MS));
    for (unsigned i = 0; i < ATTEST_BURST; i++) /* no more than a burst, however long nobody asked */
        assert_true(attest_budget_take(&b, 1000 + 1000 * (uint64_t)ATTEST_REFILL_MS));
    assert_false(attest_budget_take(&b, 1000 + 1000 * (uint64_t)ATTEST_REFILL_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gives_the_configured_resources, set_up),
        cmocka_unit_test_setup(gives_evidence_for_the_workloads_purpose, set_up),
        cmocka_unit_test_setup(never_has_the_release_tag, set_up),
        cmocka_unit_test_setup(minds_the_user, set_up),
        cmocka_unit_test_setup(refuses_bad_requests, set_up),
        cmocka_unit_test_setup(outlives_slow_callers, set_up),
        cmocka_unit_test_setup(tells_of_the_firmware, set_up),
        cmocka_unit_test_setup(limits_the_rate, set_up),
        cmocka_unit_test(refills_the_budget),
    };

    return cmocka_run_group_tests_name("attest-socket", tests, NULL, NULL);
}
