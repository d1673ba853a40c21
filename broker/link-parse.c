/* Frames from the other process; whoever took the front over controls all of a question. Pure. */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "broker/link.h"
#include "broker/request.h"

/* Sixteen bits of length and printable ASCII; `room` counts the NUL. */
static bool read_text(struct cursor *c, char *ret_text, size_t room)
{
    size_t size = cursor_u16le(c);

    if (size >= room)
        return false;
    cursor_copy(c, ret_text, size);
    ret_text[size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (ret_text[i] < ' ' || ret_text[i] > '~')
            return false;
    return true;
}

static bool read_flag(struct cursor *c, bool *ret_flag)
{
    uint8_t value = cursor_u8(c);

    *ret_flag = value == 1;
    return value <= 1;
}

static bool read_certificates(struct cursor *c, struct evidence *evidence)
{
    size_t count = cursor_u8(c);

    if (count > EVIDENCE_MAX_CERTIFICATES)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct certificate_entry *entry = &evidence->table.entries[i];
        uint8_t *place = evidence->storage + i * EVIDENCE_MAX_CERTIFICATE_BYTES;
        uint8_t kind = cursor_u8(c);
        size_t size = cursor_u16le(c);

        if (kind > CERTIFICATE_CRL || size > EVIDENCE_MAX_CERTIFICATE_BYTES)
            return false;
        cursor_copy(c, place, size);
        *entry = (struct certificate_entry){ .kind = (enum certificate_kind)kind, .data = place, .size = size };
    }
    evidence->table.count = count;
    return true;
}

static bool read_key(struct cursor *c, struct guest_public_key *key)
{
    uint8_t kind = cursor_u8(c);
    size_t size;

    if (kind > TEE_KEY_RSA)
        return false;
    key->kind = (enum tee_key_kind)kind;
    size = tee_key_coordinate_bytes(key->kind);
    cursor_copy(c, key->x, size);
    cursor_copy(c, key->y, size);
    key->modulus_size = cursor_u16le(c);
    if ((key->kind == TEE_KEY_RSA) != (key->modulus_size >= GUEST_KEY_LEAST_MODULUS_BYTES) ||
        (key->modulus_size && key->kind != TEE_KEY_RSA) || key->modulus_size > sizeof(key->modulus))
        return false;
    cursor_copy(c, key->modulus, key->modulus_size);
    return true;
}

static bool read_attestation(struct cursor *c, struct message_attestation *attestation)
{
    memset(attestation, 0, sizeof(*attestation));
    cursor_copy(c, attestation->nonce, RELEASE_NONCE_TEXT_BYTES - 1);
    if (!read_key(c, &attestation->key))
        return false;
    cursor_copy(c, attestation->evidence.report, REPORT_BYTES);
    return strlen(attestation->nonce) == RELEASE_NONCE_TEXT_BYTES - 1 && read_certificates(c, &attestation->evidence);
}

/* What fronts find out by reading alone. */
static bool refusal_known(enum link_kind kind, uint8_t verdict)
{
    switch (verdict) {
    case VERDICT_OK:
        return true;
    case VERDICT_SESSION_MISSING:
    case VERDICT_ATTESTATION_MALFORMED:
        return kind == LINK_ATTEST;
    case VERDICT_TOKEN_MISSING:
        return kind == LINK_RELEASE || kind == LINK_CONFIRM;
    case VERDICT_TOKEN_UNSUPPORTED:
        return kind == LINK_RELEASE;
    case VERDICT_CONFIRM_MALFORMED:
        return kind == LINK_CONFIRM;
    default:
        return false;
    }
}

/* Whether kind, cookie and resource go together. */
static bool question_complete(const struct link_question *question)
{
    bool named = question->kind == LINK_RELEASE || question->kind == LINK_CONFIRM;

    if (named != request_resource_valid(question->resource) || (!named && question->resource[0]))
        return false;
    return question->refused != VERDICT_OK || question->has_cookie == (named || question->kind == LINK_ATTEST);
}

static bool read_details(struct cursor *c, struct link_question *question)
{
    if (question->refused != VERDICT_OK)
        return true;
    if (question->kind == LINK_ATTEST)
        return read_attestation(c, question->attestation);
    if (question->kind == LINK_CONFIRM) {
        question->confirmation.epoch = cursor_u64le(c);
        if (!read_flag(c, &question->confirmation.has_found))
            return false;
        question->confirmation.found = cursor_u64le(c);
        return read_flag(c, &question->confirmation.rotated);
    }
    return true;
}

int link_parse_question(const void *data, size_t size, struct link_question *ret_question)
{
    struct cursor c = cursor_over(data, size);
    struct link_question question;
    uint8_t kind, verdict;

    memset(&question, 0, sizeof(question));
    question.attestation = ret_question->attestation;
    question.ticket = cursor_u64le(&c);
    kind = cursor_u8(&c);
    verdict = cursor_u8(&c);
    if (kind < LINK_AUTH || kind >= LINK_KINDS || !refusal_known((enum link_kind)kind, verdict))
        return -EBADMSG;
    question.kind = (enum link_kind)kind;
    question.refused = (enum verdict)verdict;
    if (!read_text(&c, question.peer, sizeof(question.peer)) || !read_flag(&c, &question.has_cookie))
        return -EBADMSG;
    cursor_copy(&c, question.cookie, sizeof(question.cookie));
    if (!read_text(&c, question.resource, sizeof(question.resource)) ||
        !read_text(&c, question.detail.text, sizeof(question.detail.text)))
        return -EBADMSG;
    question.body_size = cursor_u32le(&c);
    question.body = cursor_bytes(&c, question.body_size);
    if (!question_complete(&question) || !read_details(&c, &question) || cursor_end(&c) < 0)
        return -EBADMSG;
    *ret_question = question;
    return 0;
}

int link_parse_answer(const void *data, size_t size, struct link_answer *ret_answer)
{
    struct cursor c = cursor_over(data, size);
    struct link_answer answer;
    uint8_t verdict;

    memset(&answer, 0, sizeof(answer));
    answer.ticket = cursor_u64le(&c);
    verdict = cursor_u8(&c);
    cursor_copy(&c, answer.request, ENTRY_REQUEST_BYTES - 1);
    if (verdict >= VERDICTS || !read_flag(&c, &answer.has_session))
        return -EBADMSG;
    answer.verdict = (enum verdict)verdict;
    cursor_copy(&c, answer.session, sizeof(answer.session));
    answer.session_expires = cursor_u64le(&c);
    answer.body_size = cursor_u32le(&c);
    answer.body = cursor_bytes(&c, answer.body_size);
    if (cursor_end(&c) < 0)
        return -EBADMSG;
    *ret_answer = answer;
    return 0;
}
