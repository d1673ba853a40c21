/* release/message-parse.c and release/message-broker-parse.c: every message of the protocol, from either side. */
#include <stdlib.h>
#include <string.h>

#include "release/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
    if (!memchr(text, '\0', room))
        abort();
}

/* release/fold-parse.c: folded or not, a message is accepted or refused alike, and says the same. */
static void check_folding(const uint8_t *data, size_t size)
{
    static struct message_attestation folded, plain;
    struct reason why = { "" };
    int r = message_parse_attestation(data, size, &folded, &why);

    if (r != message_parse_attestation_plain(data, size, &plain, &why))
        abort();
    if (r < 0)
        return;
    for (size_t i = 0; i < plain.evidence.table.count; i++) {
        struct certificate_entry *a = &folded.evidence.table.entries[i], *b = &plain.evidence.table.entries[i];

        if (a->kind != b->kind || a->size != b->size || memcmp(a->data, b->data, a->size) != 0)
            abort();
        a->data = b->data = NULL;
    }
    if (memcmp(&folded, &plain, sizeof(plain)) != 0)
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
    check_folding(data, size);
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
