/* Messages that we write. What goes in has been parsed before; nothing here is secret. */
#include "release/message.h"

void message_write_request(struct buffer *to)
{
    buffer_add_text(to, "{\"version\":\"" RELEASE_PROTOCOL_VERSION "\",\"tee\":\"" RELEASE_TEE
                        "\",\"extra-params\":{\"supported-hash-algorithms\":[\"sha384\"]}}");
}

void message_write_canonical_jwk(const char *nonce, const char *jwk, struct buffer *to)
{
    buffer_add_text(to, "{\"additional-evidence\":\"\",\"nonce\":");
    buffer_add_json_string(to, nonce);
    buffer_printf(to, ",\"tee-pubkey\":%s}", jwk);
}

int message_write_parts(const struct message_parts *parts, struct buffer *to, struct reason *why)
{
    int r;

    buffer_add_text(to, "{\"init-data\":");
    if (parts->init_data) {
        buffer_add_text(to, "{\"body\":");
        buffer_add_json_string(to, parts->init_data);
        buffer_add_text(to, ",\"format\":\"toml\"}");
    } else {
        buffer_add_text(to, "null");
    }
    buffer_add_text(to, ",\"runtime-data\":{\"nonce\":");
    buffer_add_json_string(to, parts->nonce);
    buffer_printf(to, ",\"tee-pubkey\":%s},\"tee-evidence\":{\"primary_evidence\":", parts->jwk);
    r = evidence_write(parts->report, parts->table, to, why);
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
