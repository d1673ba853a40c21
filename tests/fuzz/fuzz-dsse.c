/*
 * measure/dsse-parse.c. What is accepted can be written, and then reads as the same; no key verifies it.
 */
#include "fuzz.h"
#include "measure/dsse.h"

static void check(const struct dsse *envelope)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct dsse again;

    REQUIRE(envelope->payload && envelope->payload[envelope->payload_size] == 0);
    REQUIRE(envelope->payload_size <= DSSE_MAX_PAYLOAD_BYTES && envelope->signature_count <= DSSE_MAX_SIGNATURES);
    dsse_encode(envelope, &text);
    REQUIRE(buffer_error(&text) == 0);
    REQUIRE(dsse_parse(text.data, text.size, &again, NULL) == 0);
    REQUIRE(strcmp(again.type, envelope->type) == 0 && again.payload_size == envelope->payload_size);
    REQUIRE(memcmp(again.payload, envelope->payload, again.payload_size) == 0);
    REQUIRE(again.signature_count == envelope->signature_count);
    for (size_t i = 0; i < again.signature_count; i++) {
        const struct dsse_signature *a = &again.signatures[i], *b = &envelope->signatures[i];

        REQUIRE(a->size && a->size <= DSSE_MAX_SIGNATURE_BYTES && a->size == b->size);
        REQUIRE(strcmp(a->keyid, b->keyid) == 0 && memcmp(a->bytes, b->bytes, a->size) == 0);
    }
    dsse_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct reason why = { "" };
    struct dsse envelope;

    if (dsse_parse(copy, size, &envelope, &why) == 0) {
        check(&envelope);
        dsse_free(&envelope);
    } else {
        REQUIRE(why.text[0]);
    }
    free(copy);
    return 0;
}
