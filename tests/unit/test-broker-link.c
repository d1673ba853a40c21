/* broker/link: what a front that the network took over may say, and may not. */
#include "unit.h"

#include "broker/link.h"

static struct message_attestation attestation, again_attestation;

static int parse(const struct link_question *question, struct link_question *ret_again)
{
    CLEANUP_BUFFER struct buffer frame = BUFFER_EMPTY;

    link_write_question(question, &frame);
    assert_int_equal(buffer_error(&frame), 0);
    ret_again->attestation = &again_attestation;
    return link_parse_question(frame.data + LINK_FRAME_BYTES, frame.size - LINK_FRAME_BYTES, ret_again);
}

static struct link_question question_of(enum link_kind kind, const char *resource)
{
    struct link_question question = { .ticket = 77, .kind = kind, .has_cookie = true, .attestation = &attestation };

    memcpy(question.peer, "192.0.2.1:5", 12);
    memcpy(question.resource, resource, strlen(resource) + 1);
    memset(question.cookie, 'c', sizeof(question.cookie));
    return question;
}

static void carries_an_attestation(void **state UNUSED)
{
    struct link_question question = question_of(LINK_ATTEST, ""), again;

    memset(&attestation, 0, sizeof(attestation));
    memset(attestation.nonce, 'A', sizeof(attestation.nonce) - 1);
    random_fill(attestation.evidence.report, REPORT_BYTES);
    attestation.evidence.table.entries[0] =
        (struct certificate_entry){ CERTIFICATE_VCEK, (const uint8_t *)"a certificate", 13 };
    attestation.evidence.table.count = 1;
    assert_int_equal(parse(&question, &again), 0);
    assert_int_equal(again.ticket, 77);
    assert_string_equal(again.peer, "192.0.2.1:5");
    assert_string_equal(again_attestation.nonce, attestation.nonce);
    assert_memory_equal(again_attestation.evidence.report, attestation.evidence.report, REPORT_BYTES);
    assert_int_equal(again_attestation.evidence.table.count, 1);
    assert_memory_equal(again_attestation.evidence.table.entries[0].data, "a certificate", 13);
}

static void carries_names_and_confirmations(void **state UNUSED)
{
    struct link_question question = question_of(LINK_CONFIRM, "a/b/c"), again;

    question.confirmation = (struct message_confirmation){ .epoch = 9, .has_found = true, .found = 8 };
    assert_int_equal(parse(&question, &again), 0);
    assert_string_equal(again.resource, "a/b/c");
    assert_int_equal(again.confirmation.epoch, 9);
    assert_int_equal(again.confirmation.found, 8);
}

/* A verdict that only the keeper gives, a kind that does not go with its parts. */
static void refuses_what_no_front_says(void **state UNUSED)
{
    struct link_question question, again;

    for (int verdict = 0; verdict < VERDICTS; verdict++) {
        bool known = verdict == VERDICT_OK || verdict == VERDICT_TOKEN_MISSING || verdict == VERDICT_TOKEN_UNSUPPORTED;

        question = question_of(LINK_RELEASE, "a/b/c");
        question.refused = (enum verdict)verdict;
        assert_int_equal(parse(&question, &again), known ? 0 : -EBADMSG);
    }
    question = question_of(LINK_RELEASE, "a/b/c");
    question.has_cookie = false;
    assert_int_equal(parse(&question, &again), -EBADMSG);
    question = question_of(LINK_RELEASE, "../etc");
    assert_int_equal(parse(&question, &again), -EBADMSG);
    question = question_of(LINK_RELEASE, "");
    assert_int_equal(parse(&question, &again), -EBADMSG);
    question = question_of(LINK_AUTH, "");
    assert_int_equal(parse(&question, &again), -EBADMSG); /* with a cookie */
    question.has_cookie = false;
    assert_int_equal(parse(&question, &again), 0);
    question.kind = LINK_KINDS;
    assert_int_equal(parse(&question, &again), -EBADMSG);
    question = question_of(LINK_RELEASE, "a/b/c");
    question.peer[0] = '\n';
    assert_int_equal(parse(&question, &again), -EBADMSG);
}

static void frames_have_one_length(void **state UNUSED)
{
    struct link_question question = question_of(LINK_RELEASE, "a/b/c"), again;
    CLEANUP_BUFFER struct buffer frame = BUFFER_EMPTY;

    link_write_question(&question, &frame);
    buffer_add_u8(&frame, 0);
    again.attestation = &again_attestation;
    for (size_t size = 0; size <= frame.size - LINK_FRAME_BYTES; size++) {
        uint8_t *copy = exact_copy(frame.data + LINK_FRAME_BYTES, size);

        assert_int_equal(link_parse_question(copy, size, &again),
                         size == frame.size - LINK_FRAME_BYTES - 1 ? 0 : -EBADMSG);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_an_attestation),
        cmocka_unit_test(carries_names_and_confirmations),
        cmocka_unit_test(refuses_what_no_front_says),
        cmocka_unit_test(frames_have_one_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
