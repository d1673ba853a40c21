/* Messages that brokers write, and guests' for a key that is at hand as a point. Not in the guest. */
#include "base/encode.h"
#include "release/message.h"

#define ERROR_TYPE_PREFIX "https://github.com/confidential-containers/kbs/errors/"

void message_write_canonical(const char *nonce, const struct guest_public_key *key, struct buffer *to)
{
    CLEANUP_BUFFER struct buffer jwk = BUFFER_EMPTY;

    guest_key_write_jwk(key, &jwk);
    message_write_canonical_jwk(nonce, buffer_text(&jwk), to);
}

int message_write_attestation(const char *nonce, const struct guest_public_key *key,
                              const uint8_t report[REPORT_BYTES], const struct cert_table *table, struct buffer *to,
                              struct reason *why)
{
    CLEANUP_BUFFER struct buffer jwk = BUFFER_EMPTY;
    struct message_parts parts = { .nonce = nonce, .report = report, .table = table };

    guest_key_write_jwk(key, &jwk);
    parts.jwk = buffer_text(&jwk);
    return message_write_parts(&parts, to, why);
}

void message_write_acknowledgement(uint64_t epoch, const uint8_t *signature, size_t size, struct buffer *to)
{
    char text[BASE64_TEXT_BYTES(RECORD_MAX_SIGNATURE_BYTES)];

    (void)base64_encode(BASE64_STANDARD, signature, size, text);
    buffer_printf(to, "{\"epoch\":%llu,\"signature\":\"%s\"}", (unsigned long long)epoch, text);
}

void message_write_challenge(const char *nonce, struct buffer *to)
{
    buffer_add_text(to, "{\"nonce\":");
    buffer_add_json_string(to, nonce);
    buffer_add_text(to, ",\"extra-params\":\"\"}");
}

void message_write_error(const char *type, const char *detail, struct buffer *to)
{
    buffer_printf(to, "{\"type\":\"" ERROR_TYPE_PREFIX "%s\",\"detail\":", type);
    buffer_add_json_string(to, detail);
    buffer_add_text(to, "}");
}
