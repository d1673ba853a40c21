/* Writing LUKS2 headers: for volumes with tags, which libcryptsetup formats only where there is device-mapper. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "luks/header.h"
#include "measure/measure.h"

#define CHECKSUM_AT 448u

static void put_be(uint8_t *to, uint64_t value, size_t size)
{
    while (size--) {
        to[size] = (uint8_t)value;
        value >>= 8;
    }
}

/* The members in the order in which libcryptsetup writes them. */
static int make_json(const struct header *header, uint8_t *area)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char salt[BASE64_TEXT_BYTES(HEADER_SALT_MAX_BYTES)], digest[BASE64_TEXT_BYTES(HEADER_DIGEST_BYTES)];
    int r;

    (void)base64_encode(BASE64_STANDARD, header->digest_salt, header->digest_salt_size, salt);
    (void)base64_encode(BASE64_STANDARD, header->digest, sizeof(header->digest), digest);
    buffer_printf(&text, "{\"keyslots\":{},\"tokens\":{},\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"%llu\",",
                  (unsigned long long)header->offset);
    if (header->length)
        buffer_printf(&text, "\"size\":\"%llu\",", (unsigned long long)header->length);
    else
        buffer_add_text(&text, "\"size\":\"dynamic\",");
    buffer_printf(&text, "\"iv_tweak\":\"0\",\"encryption\":\"%s\",\"sector_size\":%u", header->cipher,
                  header->sector_size);
    if (strcmp(header->integrity, "none") != 0)
        buffer_printf(&text, ",\"integrity\":{\"type\":\"%s\",\"journal_encryption\":\"none\","
                             "\"journal_integrity\":\"none\"}", header->integrity);
    buffer_printf(&text, "}},\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[],\"segments\":[\"0\"],"
                         "\"hash\":\"sha256\",\"iterations\":%u,\"salt\":\"%s\",\"digest\":\"%s\"}},",
                  header->digest_iterations, salt, digest);
    buffer_printf(&text, "\"config\":{\"json_size\":\"%u\",\"keyslots_size\":\"%u\"}}", HEADER_JSON_BYTES,
                  HEADER_DATA_OFFSET_BYTES - HEADER_BYTES);
    r = buffer_error(&text);
    if (r < 0)
        return r;
    memcpy(area, buffer_text(&text), text.size);
    return 0;
}

static int make_copy(const struct header *header, uint64_t place, uint8_t *copy)
{
    memcpy(copy, place ? "SKUL\xba\xbe" : "LUKS\xba\xbe", 6);
    put_be(copy + 6, 2, 2);
    put_be(copy + 8, HEADER_COPY_BYTES, 8);
    put_be(copy + 16, header->sequence, 8);
    memcpy(copy + 24, header->label, strlen(header->label));
    memcpy(copy + 72, "sha256", 6);
    if (RAND_bytes(copy + 104, 64) != 1)
        return -EIO;
    memcpy(copy + 168, header->uuid, strlen(header->uuid));
    put_be(copy + 256, place, 8);
    return EVP_Digest(copy, HEADER_COPY_BYTES, copy + CHECKSUM_AT, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int header_make(const struct header *header, uint8_t ret_bytes[HEADER_BYTES])
{
    uint8_t bytes[HEADER_BYTES] = { 0 };
    struct header again;
    int r = make_json(header, bytes + HEADER_BINARY_BYTES);

    memcpy(bytes + HEADER_COPY_BYTES + HEADER_BINARY_BYTES, bytes + HEADER_BINARY_BYTES, HEADER_JSON_BYTES);
    for (size_t i = 0; r == 0 && i < 2; i++)
        r = make_copy(header, i * HEADER_COPY_BYTES, bytes + i * HEADER_COPY_BYTES);
    if (r < 0)
        return r;
    /* Nothing leaves that a guest would refuse. */
    if (header_parse(bytes, sizeof(bytes), NULL, &again, NULL, NULL) < 0)
        return -EINVAL;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}
