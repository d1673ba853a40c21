/* LUKS2 headers for tests: one that is accepted, with a keyslot, and ways to spoil it with right checksums. */
#pragma once

#include <openssl/evp.h>
#include <string.h>

#include "luks/header.h"

static const char right_header_json[] =
    "{\"keyslots\":{\"0\":{\"type\":\"luks2\",\"key_size\":64,\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":"
    "\"sha256\"},\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"258048\",\"encryption\":"
    "\"aes-xts-plain64\",\"key_size\":64},\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":1000,"
    "\"salt\":\"0vyBAAV9TlO3ZKIshfmEUx40tCuxMf+5ZLrvHZUMBiU=\"}}},\"tokens\":{},\"segments\":{\"0\":{\"type\":"
    "\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\",\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\","
    "\"sector_size\":4096}},\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"],\"segments\":[\"0\"],"
    "\"hash\":\"sha256\",\"iterations\":1000,\"salt\":\"60qiSgODYqI0aqv0JmkPT99ihZRmVGkW5p/G4KxNxGo=\",\"digest\":"
    "\"eUh6OHTMBTXiuqSuOAiQPn20rrWhXL33Sl75hIII2mQ=\"}},\"config\":{\"json_size\":\"12288\",\"keyslots_size\":"
    "\"16744448\"}}";

enum { FIRST_COPY = 1, SECOND_COPY = 2, BOTH_COPIES = 3 };

/* The checksums of the copies, as they should be. */
static inline void header_seal(uint8_t *bytes)
{
    for (size_t i = 0; i < 2; i++) {
        uint8_t *copy = bytes + i * HEADER_COPY_BYTES;

        memset(copy + 448, 0, 64);
        if (EVP_Digest(copy, HEADER_COPY_BYTES, copy + 448, NULL, EVP_sha256(), NULL) != 1)
            abort();
    }
}

/* Another JSON text in these copies. */
static inline void header_put_json(uint8_t *bytes, const char *json, unsigned copies)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!(copies & 1u << i))
            continue;
        memset(bytes + i * HEADER_COPY_BYTES + HEADER_BINARY_BYTES, 0, HEADER_JSON_BYTES);
        memcpy(bytes + i * HEADER_COPY_BYTES + HEADER_BINARY_BYTES, json, strlen(json));
    }
}

/* HEADER_BYTES of the accepted header, written without the library. */
static inline void header_right(uint8_t *bytes)
{
    memset(bytes, 0, HEADER_BYTES);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *copy = bytes + i * HEADER_COPY_BYTES;

        memcpy(copy, i ? "SKUL\xba\xbe\0\2" : "LUKS\xba\xbe\0\2", 8);
        copy[14] = 0x40; /* 16384 */
        copy[23] = 3;
        memcpy(copy + 24, "a label", 7);
        memcpy(copy + 72, "sha256", 6);
        memset(copy + 104, 0x5a, 64);
        memcpy(copy + 168, "8f8f281e-0e8f-45a1-aa22-d93b716e9bee", 36);
        copy[262] = i ? 0x40 : 0;
    }
    header_put_json(bytes, right_header_json, BOTH_COPIES);
    header_seal(bytes);
}
