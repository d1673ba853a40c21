/*
 * luks/header-parse.c and luks/header-json-parse.c: LUKS2 headers. The input is the first 512 bytes of a copy and then
 * its JSON; both copies are made of it, once as they are and once with the checksums that a fuzzer cannot compute. What
 * is accepted is on the list, whatever the bytes were, and would be written by us as something that is accepted, too.
 */
#include <openssl/evp.h>

#include "fuzz.h"
#include "luks/header.h"

#define BINARY_BYTES 512u

static void count_field(void *context, const struct header_field *field)
{
    size_t *refused = context;

    REQUIRE(field->name && field->found && field->allowed && field->copy <= 2);
    *refused += field->code != HEADER_GOOD;
}

static void check(const uint8_t *bytes, size_t size)
{
    static uint8_t made[HEADER_BYTES];
    size_t refused = 0;
    const struct header_sink sink = { count_field, &refused };
    struct header header, again;
    enum header_code code = HEADER_CODE_COUNT;
    struct reason why = { "" };

    if (header_parse(bytes, size, &sink, &header, &code, &why) < 0) {
        REQUIRE(refused && code != HEADER_GOOD && code < HEADER_CODE_COUNT && why.text[0]);
        return;
    }
    REQUIRE(!refused && code == HEADER_GOOD);
    REQUIRE(strcmp(header.cipher, "aes-xts-plain64") == 0 && header.offset == HEADER_DATA_OFFSET_BYTES);
    REQUIRE(header.key_size == (strcmp(header.integrity, "none") ? 96 : 64));
    REQUIRE(header.sector_size == 4096 || (header.sector_size == 512 && header.key_size == 64));
    REQUIRE(header.length % header.sector_size == 0);
    REQUIRE(header_make(&header, made) == 0 && header_parse(made, sizeof(made), NULL, &again, NULL, NULL) == 0);
    REQUIRE(again.length == header.length && memcmp(again.digest, header.digest, sizeof(again.digest)) == 0);
}

static void put_copies(const uint8_t *data, size_t size, uint8_t *bytes)
{
    size_t binary = size < BINARY_BYTES ? size : BINARY_BYTES;
    size_t json = size - binary < HEADER_JSON_BYTES ? size - binary : HEADER_JSON_BYTES;

    for (size_t i = 0; i < 2; i++) {
        uint8_t *copy = bytes + i * HEADER_COPY_BYTES;

        memcpy(copy, data, binary);
        memcpy(copy + HEADER_BINARY_BYTES, data + binary, json);
        if (i && memcmp(copy, "LUKS", 4) == 0) {
            memcpy(copy, "SKUL", 4);
            copy[262] ^= 0x40; /* the place, 16384 */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(NULL, 0, HEADER_BYTES);

    check(data, size);
    put_copies(data, size, bytes);
    check(bytes, HEADER_BYTES);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *copy = bytes + i * HEADER_COPY_BYTES;

        memset(copy + 448, 0, 64);
        REQUIRE(EVP_Digest(copy, HEADER_COPY_BYTES, copy + 448, NULL, EVP_sha256(), NULL) == 1);
    }
    check(bytes, HEADER_BYTES);
    free(bytes);
    return 0;
}
