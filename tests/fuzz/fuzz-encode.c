/*
 * base/encode-parse.c. What is accepted is spelled as the encoder spells it, so there is one spelling for each value;
 * and every value survives its own spelling.
 */
#include <ctype.h>

#include "base/encode.h"
#include "fuzz.h"

static void decode_base64(enum base64_form form, const char *text, size_t size)
{
    uint8_t *bytes = fuzz_copy("", 0, size);
    char *again = fuzz_copy("", 0, BASE64_TEXT_BYTES(size));
    size_t got = 0;

    if (base64_decode(form, text, size, bytes, size, &got) == 0) {
        REQUIRE(got <= size / 4 * 3 + 2);
        REQUIRE(base64_encode(form, bytes, got, again) == size);
        REQUIRE(memcmp(again, text, size) == 0);
        if (got) {
            size_t same = 0;
            uint8_t *tight = fuzz_copy("", 0, got);

            REQUIRE(base64_decode(form, text, size, tight, got, &same) == 0 && same == got);
            REQUIRE(base64_decode(form, text, size, tight, got - 1, &same) < 0);
            free(tight);
        }
    }
    free(bytes);
    free(again);
}

static void decode_hex(const char *text, size_t size)
{
    uint8_t *bytes = fuzz_copy("", 0, size / 2);
    char *again = fuzz_copy("", 0, HEX_TEXT_BYTES(size / 2));

    if (hex_decode(text, size, bytes, size / 2) == 0) {
        REQUIRE(size % 2 == 0);
        hex_encode(bytes, size / 2, again);
        for (size_t i = 0; i < size; i++)
            REQUIRE(again[i] == tolower((unsigned char)text[i]));
    }
    free(bytes);
    free(again);
}

static void encode(const uint8_t *bytes, size_t size)
{
    static const enum base64_form forms[] = { BASE64_STANDARD, BASE64_URL };
    char *text = fuzz_copy("", 0, BASE64_TEXT_BYTES(size) + HEX_TEXT_BYTES(size));
    uint8_t *again = fuzz_copy("", 0, size);

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        size_t length = base64_encode(forms[i], bytes, size, text), got = 0;

        REQUIRE(length == strlen(text) && length < BASE64_TEXT_BYTES(size));
        REQUIRE(base64_decode(forms[i], text, length, again, size, &got) == 0 && got == size);
        REQUIRE(memcmp(again, bytes, size) == 0);
    }
    hex_encode(bytes, size, text);
    REQUIRE(hex_decode(text, 2 * size, again, size) == 0 && memcmp(again, bytes, size) == 0);
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size, 0);

    decode_base64(BASE64_STANDARD, text, size);
    decode_base64(BASE64_URL, text, size);
    decode_hex(text, size);
    encode(data, size);
    free(text);
    return 0;
}
