/* broker/link-parse.c: questions and answers; what is read would be written in the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "broker/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(const struct buffer *again, const uint8_t *data, size_t size)
{
    if (buffer_error(again) < 0 || again->size != size + LINK_FRAME_BYTES ||
        memcmp(again->data + LINK_FRAME_BYTES, data, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message_attestation attestation;
    CLEANUP_BUFFER struct buffer question_again = BUFFER_EMPTY, answer_again = BUFFER_EMPTY;
    struct link_question question = { .attestation = &attestation };
    struct link_answer answer;

    if (link_parse_question(data, size, &question) == 0) {
        link_write_question(&question, &question_again);
        must_be(&question_again, data, size);
    }
    if (link_parse_answer(data, size, &answer) == 0) {
        link_write_answer(&answer, &answer_again);
        must_be(&answer_again, data, size);
    }
    return 0;
}
