/*
 * The binary part of LUKS2 headers, and that both copies say the same. Every byte is the host's; all of them were read
 * before this looks at the first one. What is accepted has one meaning to us and to libcryptsetup.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "luks/header-judge.h"
#include "measure/measure.h"

/* Offsets in the binary header; numbers are big-endian. */
enum {
    AT_VERSION = 6,
    AT_SIZE = 8,
    AT_SEQUENCE = 16,
    AT_LABEL = 24,
    AT_CHECKSUM_HASH = 72,
    AT_UUID = 168,
    AT_SUBSYSTEM = 208,
    AT_PLACE = 256,
    AT_PADDING = 264,
    AT_CHECKSUM = 448,
    AT_CHECKSUM_END = 512,
};

#define WORD_FIELD_BYTES 32u      /* of the checksum's hash */
#define SUBSYSTEM_BYTES 48u

static const char magics[2][6] = { { 'L', 'U', 'K', 'S', '\xba', '\xbe' }, { 'S', 'K', 'U', 'L', '\xba', '\xbe' } };

static uint64_t get_be(const uint8_t *from, size_t size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | *from++;
    return value;
}

bool header_judge(struct header_examination *e, const char *name, const char *found, const char *allowed, bool good,
                  enum header_code code)
{
    const struct header_field field = { e->copy, name, found, allowed, good ? HEADER_GOOD : code };
    static const char *const copies[] = { "both copies", "first copy", "second copy" };

    if (e->sink)
        e->sink->field(e->sink->context, &field);
    if (!good && e->code == HEADER_GOOD) {
        e->code = code;
        (void)reason_set(&e->why, -EBADMSG, "%s: %s, %s: found %s, allowed: %s", header_code_text(code),
                         copies[e->copy], name, found, allowed);
    }
    return good;
}

static void judge_number(struct header_examination *e, const char *name, uint64_t found, const char *allowed, bool good,
                         enum header_code code)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)found);
    (void)header_judge(e, name, text, allowed, good, code);
}

/* Text of printable ASCII that ends in the field, with zeros behind it. `to` has the field's size and ends in a NUL. */
static bool take_text(const uint8_t *field, size_t size, char *to)
{
    size_t length = strnlen((const char *)field, size);

    memcpy(to, field, size - 1);
    to[size - 1] = '\0';
    if (length == size || !all_zero(field + length, size - length))
        return false;
    for (size_t i = 0; i < length; i++)
        if (field[i] < 0x20 || field[i] > 0x7e)
            return false;
    return true;
}

static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return !text[36];
}

static int judge_checksum(struct header_examination *e, const uint8_t *copy)
{
    static const uint8_t zeros[AT_CHECKSUM_END - AT_CHECKSUM];
    uint8_t digest[SHA256_BYTES];
    char found[HEX_TEXT_BYTES(8)];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, copy, AT_CHECKSUM) == 1 &&
              EVP_DigestUpdate(context, zeros, sizeof(zeros)) == 1 &&
              EVP_DigestUpdate(context, copy + AT_CHECKSUM_END, HEADER_COPY_BYTES - AT_CHECKSUM_END) == 1 &&
              EVP_DigestFinal_ex(context, digest, NULL) == 1;

    EVP_MD_CTX_free(context);
    if (!ok)
        return -ENOMEM;
    hex_encode(copy + AT_CHECKSUM, 8, found);
    (void)header_judge(e, "checksum", found, "the SHA-256 of this copy",
                       memcmp(copy + AT_CHECKSUM, digest, sizeof(digest)) == 0, HEADER_CHECKSUM);
    return 0;
}

static void judge_words(struct header_examination *e, const uint8_t *copy, struct header *header)
{
    char subsystem[SUBSYSTEM_BYTES], hash[WORD_FIELD_BYTES];
    bool good;

    good = take_text(copy + AT_LABEL, HEADER_LABEL_BYTES, header->label);
    (void)header_judge(e, "label", header->label, "printable text", good, HEADER_LABEL);
    good = take_text(copy + AT_SUBSYSTEM, SUBSYSTEM_BYTES, subsystem);
    (void)header_judge(e, "subsystem", subsystem, "empty", good && !subsystem[0], HEADER_SUBSYSTEM);
    good = take_text(copy + AT_UUID, HEADER_UUID_BYTES, header->uuid);
    (void)header_judge(e, "uuid", header->uuid, "a UUID in small letters", good && is_uuid(header->uuid), HEADER_UUID);
    good = take_text(copy + AT_CHECKSUM_HASH, WORD_FIELD_BYTES, hash);
    (void)header_judge(e, "checksum_alg", hash, "sha256", good && strcmp(hash, "sha256") == 0, HEADER_CHECKSUM_HASH);
}

static bool padding_is_zero(const uint8_t *copy)
{
    return all_zero(copy + AT_PADDING, AT_CHECKSUM - AT_PADDING) &&
           all_zero(copy + AT_CHECKSUM + SHA256_BYTES, HEADER_BINARY_BYTES - AT_CHECKSUM - SHA256_BYTES);
}

/* What is no header at all ends the examination of this copy: its other fields would mean nothing. */
static int judge_copy(struct header_examination *e, const uint8_t *copy, uint64_t place, struct header *header)
{
    const char *magic = magics[place ? 1 : 0];
    uint64_t number = get_be(copy + AT_VERSION, 2);
    char found[HEX_TEXT_BYTES(sizeof(magics[0]))];
    int r;

    hex_encode(copy, sizeof(magics[0]), found);
    if (!header_judge(e, "magic", found, place ? "SKUL, 0xba, 0xbe" : "LUKS, 0xba, 0xbe",
                      memcmp(copy, magic, sizeof(magics[0])) == 0, HEADER_MAGIC))
        return 0;
    judge_number(e, "version", number, "2", number == 2, HEADER_VERSION);
    if (number != 2)
        return 0;
    number = get_be(copy + AT_SIZE, 8);
    judge_number(e, "hdr_size", number, "16384", number == HEADER_COPY_BYTES, HEADER_SIZE);
    number = get_be(copy + AT_PLACE, 8);
    judge_number(e, "hdr_offset", number, place ? "16384" : "0", number == place, HEADER_PLACE);
    header->sequence = get_be(copy + AT_SEQUENCE, 8);
    judge_number(e, "seqid", header->sequence, "1 and more", header->sequence && header->sequence <= INT64_MAX,
                 HEADER_SEQUENCE);
    judge_words(e, copy, header);
    (void)header_judge(e, "padding", padding_is_zero(copy) ? "zeros" : "other bytes", "zeros", padding_is_zero(copy),
                       HEADER_PADDING);
    r = judge_checksum(e, copy);
    return r < 0 ? r : header_judge_json(e, copy + HEADER_BINARY_BYTES, header);
}

/* A reader that takes one copy and a reader that takes the other have to see the same. */
static void judge_agreement(struct header_examination *e, const uint8_t *bytes, const struct header *first,
                            const struct header *second)
{
    bool same = memcmp(bytes + HEADER_BINARY_BYTES, bytes + HEADER_COPY_BYTES + HEADER_BINARY_BYTES,
                       HEADER_JSON_BYTES) == 0;

    e->copy = 0;
    judge_number(e, "seqid", second->sequence, "that of the first copy", first->sequence == second->sequence,
                 HEADER_COPY_SEQUENCE);
    (void)header_judge(e, "label and uuid", second->uuid, "those of the first copy",
                       strcmp(first->uuid, second->uuid) == 0 && strcmp(first->label, second->label) == 0,
                       HEADER_COPY_NAMES);
    (void)header_judge(e, "json", same ? "equal" : "different", "equal", same, HEADER_COPY_JSON);
}

int header_parse(const void *bytes, size_t size, const struct header_sink *sink, struct header *ret_header,
                 enum header_code *ret_code, struct reason *why)
{
    struct header_examination e = { .sink = sink, .copy = 1 };
    struct header headers[2] = { { .sequence = 0 }, { .sequence = 0 } };
    const uint8_t *p = bytes;
    int r;

    if (size < HEADER_BYTES) {
        e.copy = 0;
        judge_number(&e, "size", size, "at least 32768 bytes", false, HEADER_SHORT);
    } else {
        for (unsigned i = 0; i < 2; i++) {
            e.copy = i + 1;
            r = judge_copy(&e, p + i * HEADER_COPY_BYTES, i * HEADER_COPY_BYTES, &headers[i]);
            if (r < 0)
                return r;
        }
        judge_agreement(&e, p, &headers[0], &headers[1]);
    }
    if (ret_code)
        *ret_code = e.code;
    if (e.code != HEADER_GOOD)
        return reason_set(why, -EBADMSG, "%s", e.why.text);
    *ret_header = headers[0];
    return 0;
}
