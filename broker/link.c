/* Frames that we write. */
#include "broker/link.h"

#include <string.h>

#include "base/cursor.h"

static size_t open_frame(struct buffer *to)
{
    buffer_add_u32le(to, 0);
    return to->size;
}

static void close_frame(struct buffer *to, size_t start)
{
    if (buffer_error(to) == 0)
        put_u32le(to->data + start - LINK_FRAME_BYTES, (uint32_t)(to->size - start));
}

static void write_text(struct buffer *to, const char *text)
{
    buffer_add_u16le(to, (uint16_t)strlen(text));
    buffer_add_text(to, text);
}

static void write_key(const struct guest_public_key *key, struct buffer *to)
{
    size_t size = tee_key_coordinate_bytes(key->kind);

    buffer_add_u8(to, (uint8_t)key->kind);
    buffer_add(to, key->x, size);
    buffer_add(to, key->y, size);
    buffer_add_u16le(to, (uint16_t)key->modulus_size);
    buffer_add(to, key->modulus, key->modulus_size);
}

static void write_attestation(const struct message_attestation *attestation, struct buffer *to)
{
    const struct cert_table *table = &attestation->evidence.table;

    buffer_add(to, attestation->nonce, RELEASE_NONCE_TEXT_BYTES - 1);
    write_key(&attestation->key, to);
    buffer_add(to, attestation->evidence.report, REPORT_BYTES);
    buffer_add_u8(to, (uint8_t)table->count);
    for (size_t i = 0; i < table->count; i++) {
        buffer_add_u8(to, (uint8_t)table->entries[i].kind);
        buffer_add_u16le(to, (uint16_t)table->entries[i].size);
        buffer_add(to, table->entries[i].data, table->entries[i].size);
    }
}

void link_write_question(const struct link_question *question, struct buffer *to)
{
    size_t start = open_frame(to);

    buffer_add_u64le(to, question->ticket);
    buffer_add_u8(to, (uint8_t)question->kind);
    buffer_add_u8(to, (uint8_t)question->refused);
    write_text(to, question->peer);
    buffer_add_u8(to, question->has_cookie);
    buffer_add(to, question->cookie, sizeof(question->cookie));
    write_text(to, question->resource);
    write_text(to, question->detail.text);
    buffer_add_u32le(to, (uint32_t)question->body_size);
    buffer_add(to, question->body, question->body_size);
    if (question->refused == VERDICT_OK && question->kind == LINK_ATTEST)
        write_attestation(question->attestation, to);
    if (question->refused == VERDICT_OK && question->kind == LINK_CONFIRM) {
        buffer_add_u64le(to, question->confirmation.epoch);
        buffer_add_u8(to, question->confirmation.has_found);
        buffer_add_u64le(to, question->confirmation.found);
        buffer_add_u8(to, question->confirmation.rotated);
    }
    close_frame(to, start);
}

void link_write_answer(const struct link_answer *answer, struct buffer *to)
{
    size_t start = open_frame(to);

    buffer_add_u64le(to, answer->ticket);
    buffer_add_u8(to, (uint8_t)answer->verdict);
    buffer_add(to, answer->request, ENTRY_REQUEST_BYTES - 1);
    buffer_add_u8(to, answer->has_session);
    buffer_add(to, answer->session, sizeof(answer->session));
    buffer_add_u64le(to, answer->session_expires);
    buffer_add_u32le(to, (uint32_t)answer->body_size);
    buffer_add(to, answer->body, answer->body_size);
    close_frame(to, start);
}
