/* Messages that we write. What goes in has been parsed before; nothing here is secret. */
#include "release/message.h"

#include "base/encode.h"

#define ERROR_TYPE_PREFIX "https://github.com/confidential-containers/kbs/errors/"

void message_write_request(struct buffer *to)
{
    buffer_add_text(to, "{\"version\":\"" RELEASE_PROTOCOL_VERSION "\",\"tee\":\"" RELEASE_TEE
                        "\",\"extra-params\":{\"supported-hash-algorithms\":[\"sha384\"]}}");
}

void message_write_canonical(const char *nonce, const struct guest_public_key *key, struct buffer *to)
{
    buffer_add_text(to, "{\"additional-evidence\":\"\",\"nonce\":");
    buffer_add_json_string(to, nonce);
    buffer_add_text(to, ",\"tee-pubkey\":");
    guest_key_write_jwk(key, to);
    buffer_add_text(to, "}");
}

int message_write_attestation(const char *nonce, const struct guest_public_key *key,
                              const uint8_t report[REPORT_BYTES], const struct cert_table *table, struct buffer *to,
                              struct reason *why)
{
    int r;

    buffer_add_text(to, "{\"init-data\":null,\"runtime-data\":{\"nonce\":");
    buffer_add_json_string(to, nonce);
    buffer_add_text(to, ",\"tee-pubkey\":");
    guest_key_write_jwk(key, to);
    buffer_add_text(to, "},\"tee-evidence\":{\"primary_evidence\":");
    r = evidence_write(report, table, to, why);
    if (r < 0)
        return r;
    buffer_add_text(to, ",\"additional_evidence\":\"\"}}");
    return buffer_error(to);
}

void message_write_confirmation(const struct message_confirmation *confirmation, struct buffer *to)
{
    buffer_printf(to, "{\"epoch\":%llu,\"found\":", (unsigned long long)confirmation->epoch);
    if (confirmation->has_found)
        buffer_printf(to, "%llu", (unsigned long long)confirmation->found);
    else
        buffer_add_text(to, "null");
    buffer_add_text(to, confirmation->rotated ? ",\"rotated\":true}" : "}");
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
