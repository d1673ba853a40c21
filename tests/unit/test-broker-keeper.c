/* broker/keeper: what somebody gets who has taken the front over and speaks with the process that holds the keys. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"
#include "broker/front.h"
#include "broker/keeper.h"
#include "broker/link.h"
#include "broker/volumes.h"

#define LOST 7

static char directory[] = "/tmp/postern-test-keeper.XXXXXX";
static struct message_attestation attestation;
static int lines; /* the keeper's log */

/* The keeper, as `serve` makes it, until its front has gone; its volume's policy allows everybody. */
static void __attribute__((noreturn)) keep(int link, int control)
{
    struct broker broker = { .lease_ms = 1000, .sessions = { .max = 8 } };
    struct keeper keeper = { .broker = &broker, .ready_fd = -1 };
    struct journal journal;
    struct reason why = { "" };
    char path[KEYS_MAX_PATH];

    (void)dup2(lines, STDERR_FILENO);
    keeper.journal = &journal;
    if (keys_path(directory, STORE_FILE, path, &why) < 0 || store_open(path, STORE_WRITE, &broker.store, &why) < 0 ||
        keys_load(directory, NULL, &broker.keys, &why) < 0 || trust_roots_amd(&broker.roots) < 0 ||
        nonces_init(&broker.nonces, clock_ms(), 60000) < 0)
        _exit(1);
    journal_init(&journal, broker.store, "amd-root");
    if (keeper_open(&keeper, link, control) < 0)
        _exit(2);
    keeper_run(&keeper);
    _exit(keeper.lost ? LOST : 0);
}

static pid_t child;
static int front = -1, control = -1;

static int start(void **state UNUSED)
{
    int link[2], pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(link[0]);
        (void)close(pair[0]);
        (void)fcntl(link[1], F_SETFL, O_NONBLOCK);
        keep(link[1], pair[1]);
    }
    (void)close(link[1]);
    (void)close(pair[1]);
    front = link[0];
    control = pair[0];
    return 0;
}

static int ended(void)
{
    int status = 0;

    fd_close(&front);
    fd_close(&control);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    child = 0;
    return WEXITSTATUS(status);
}

static int stop(void **state UNUSED)
{
    if (child) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    fd_close(&front);
    fd_close(&control);
    return 0;
}

static struct link_question question_of(enum link_kind kind, const char *resource)
{
    struct link_question question = { .ticket = 77, .kind = kind, .has_cookie = kind != LINK_AUTH,
                                      .attestation = &attestation };

    (void)snprintf(question.peer, sizeof(question.peer), "192.0.2.1:5");
    (void)snprintf(question.resource, sizeof(question.resource), "%s", resource);
    return question;
}

static void say(const struct link_question *question)
{
    CLEANUP_BUFFER struct buffer frame = BUFFER_EMPTY;

    link_write_question(question, &frame);
    assert_int_equal(fd_write_all(front, frame.data, frame.size), 0);
}

static uint8_t heard[LINK_MAX_BYTES];

static struct link_answer hear(void)
{
    uint8_t head[LINK_FRAME_BYTES];
    struct link_answer answer;

    assert_int_equal(fd_read_exact(front, head, sizeof(head)), 0);
    assert_true(get_u32le(head) <= sizeof(heard));
    assert_int_equal(fd_read_exact(front, heard, get_u32le(head)), 0);
    assert_int_equal(link_parse_answer(heard, get_u32le(head), &answer), 0);
    return answer;
}

static void assert_refused(const struct link_question *question, enum verdict verdict)
{
    struct link_answer answer;

    say(question);
    answer = hear();
    if (answer.verdict != verdict)
        fail_msg("%s, expected %s", verdict_reason(answer.verdict), verdict_reason(verdict));
    assert_int_equal(answer.ticket, question->ticket);
    assert_false(answer.has_session);
    assert_int_equal(answer.body_size, 0);
}

/* Cookies that nobody attested with, of challenges that were given or not, open nothing. */
static void gives_nothing_without_evidence(void **state UNUSED)
{
    struct link_question release = question_of(LINK_RELEASE, "default/volume/data");
    struct link_question confirm = question_of(LINK_CONFIRM, "default/volume/data");
    struct link_question attest = question_of(LINK_ATTEST, "");
    struct link_question auth = question_of(LINK_AUTH, "");
    struct link_answer answer;

    assert_refused(&release, VERDICT_SESSION_UNKNOWN);
    confirm.confirmation.epoch = 1;
    assert_refused(&confirm, VERDICT_SESSION_UNKNOWN);
    say(&auth);
    answer = hear();
    assert_int_equal(answer.verdict, VERDICT_OK);
    assert_true(answer.has_session);
    memcpy(release.cookie, answer.session, sizeof(release.cookie));
    memcpy(confirm.cookie, answer.session, sizeof(release.cookie));
    memcpy(attest.cookie, answer.session, sizeof(release.cookie));
    assert_refused(&release, VERDICT_SESSION_UNKNOWN);
    assert_refused(&confirm, VERDICT_SESSION_UNKNOWN);
    memset(&attestation, 0, sizeof(attestation));
    memset(attestation.nonce, 'A', 43);
    attestation.nonce[43] = '=';
    assert_refused(&attest, VERDICT_NONCE_UNKNOWN);
    for (int i = 0; i < 2; i++) {
        say(&auth);
        answer = hear();
        memcpy(attest.cookie, answer.session, sizeof(attest.cookie));
        assert_int_equal(message_parse_challenge(answer.body, answer.body_size, attestation.nonce, NULL), 0);
        random_fill(attestation.evidence.report, REPORT_BYTES);
        assert_refused(&attest, VERDICT_ATTESTATION_MALFORMED); /* a key that is no point */
    }
    assert_refused(&release, VERDICT_SESSION_UNKNOWN);
    assert_int_equal(ended(), LOST);
}

/* A refusal of the front's own is written down, and nothing else comes of it. */
static void takes_refusals_as_refusals(void **state UNUSED)
{
    struct link_question question = question_of(LINK_RELEASE, "default/volume/data");

    question.refused = VERDICT_TOKEN_MISSING;
    (void)reason_set(&question.detail, 0, "\",\"outcome\":\"granted\",\"x\":\"");
    assert_refused(&question, VERDICT_TOKEN_MISSING);
    question.refused = VERDICT_POLICY; /* not a front's to say */
    say(&question);
    assert_int_equal(ended(), LOST);
}

static void ends_at_what_is_no_question(void **state UNUSED)
{
    static const uint8_t long_frame[LINK_FRAME_BYTES] = { 0xff, 0xff, 0xff, 0xff }, empty[LINK_FRAME_BYTES] = { 0 };

    assert_int_equal(fd_write_all(front, long_frame, sizeof(long_frame)), 0);
    assert_int_equal(ended(), LOST);
    assert_int_equal(start(NULL), 0);
    assert_int_equal(fd_write_all(front, empty, sizeof(empty)), 0);
    assert_int_equal(ended(), LOST);
    assert_int_equal(start(NULL), 0);
    for (int i = 0; i < 2000; i++) {
        uint8_t junk[64];

        random_fill(junk, sizeof(junk));
        put_u32le(junk, sizeof(junk) - LINK_FRAME_BYTES);
        if (write(front, junk, sizeof(junk)) < 0)
            break;
    }
    assert_int_equal(ended(), LOST);
}

/* Answers that are not taken do not fill the keeper's memory. */
static void ends_when_answers_are_left_lying(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer frames = BUFFER_EMPTY;
    struct link_question metrics = question_of(LINK_METRICS, "");
    bool refused = false;

    metrics.has_cookie = false;
    for (int i = 0; i < 1000; i++)
        link_write_question(&metrics, &frames);
    assert_int_equal(buffer_error(&frames), 0);
    for (int i = 0; i < 2000 && !refused; i++)
        refused = fd_write_all(front, frames.data, frames.size) < 0;
    assert_true(refused);
    assert_int_equal(ended(), LOST);
}

static int make(void **state UNUSED)
{
    struct reason why = { "" };
    char path[KEYS_MAX_PATH];

    (void)signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(directory));
    lines = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return secret_library_init() < 0 || keys_create(directory, &why) < 0 ||
           keys_path(directory, STORE_FILE, path, &why) < 0 || store_create(path, &why) < 0;
}

static int clean(void **state UNUSED)
{
    char path[KEYS_MAX_PATH];

    keys_remove(directory);
    assert_int_equal(keys_path(directory, STORE_FILE, path, NULL), 0);
    store_remove(path);
    (void)close(lines);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_nothing_without_evidence, start, stop),
        cmocka_unit_test_setup_teardown(takes_refusals_as_refusals, start, stop),
        cmocka_unit_test_setup_teardown(ends_at_what_is_no_question, start, stop),
        cmocka_unit_test_setup_teardown(ends_when_answers_are_left_lying, start, stop),
    };

    return cmocka_run_group_tests_name("broker-keeper", tests, make, clean);
}
