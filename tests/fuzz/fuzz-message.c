/* release/message-parse.c: every message of the protocol, from either side. */
#include <stdlib.h>
#include <string.h>

#include "release/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
    if (!memchr(text, '\0', room))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message_attestation attestation;
    char nonce[RELEASE_NONCE_TEXT_BYTES], type[64], detail[192];
    struct message_acknowledgement acknowledgement;
    struct message_confirmation confirmation;
    struct message_request request;
    struct reason why = { "" };

    if (message_parse_request(data, size, &request, &why) == 0) {
        check_text(request.version, sizeof(request.version));
        check_text(request.tee, sizeof(request.tee));
    }
    if (message_parse_challenge(data, size, nonce, &why) == 0 && strnlen(nonce, sizeof(nonce)) != sizeof(nonce) - 1)
        abort();
    if (message_parse_attestation(data, size, &attestation, &why) == 0 &&
        (strnlen(attestation.nonce, sizeof(attestation.nonce)) != sizeof(attestation.nonce) - 1 ||
         attestation.evidence.table.count > EVIDENCE_MAX_CERTIFICATES))
        abort();
    if (message_parse_confirmation(data, size, &confirmation, &why) == 0 && !confirmation.epoch)
        abort();
    if (message_parse_acknowledgement(data, size, &acknowledgement, &why) == 0 &&
        acknowledgement.signature_size > sizeof(acknowledgement.signature))
        abort();
    message_parse_error(data, size, type, detail);
    check_text(type, sizeof(type));
    check_text(detail, sizeof(detail));
    return 0;
}
