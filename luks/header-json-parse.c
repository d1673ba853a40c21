/*
 * The JSON of a LUKS2 header, member by member. It is the host's. Numbers that may be large are strings there; they are
 * taken in one spelling alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "base/json.h"
#include "luks/header-judge.h"

#define NUMBER_TEXT_BYTES 24
#define KEYSLOTS_START HEADER_BYTES
#define CIPHER "aes-xts-plain64"
#define XTS_KEY_BYTES 64u
#define AEAD_KEY_BYTES 96u
#define AF_STRIPES HEADER_AF_STRIPES_COUNT
#define SALT_LEAST_BYTES 16u
#define ITERATIONS_LEAST 1000u
#define KDF_TIME_MOST 10u
#define KDF_CPUS_MOST 4u

/* Reading goes on after a refusal, so that every field gets its verdict. */
struct view {
    struct header_examination *e;
    struct json_status status;
    struct reason why;
};

/* One verdict; its name is the member's path, or the reader's own without a member. */
static bool judge(struct view *v, const struct json_reader *r, const char *member, const char *found,
                  const char *allowed, bool good, enum header_code code)
{
    char name[96];

    json_path(r, member, name, sizeof(name));
    return header_judge(v->e, name[0] ? name : "top level", found, allowed, good, code);
}

/* After a read: what could not be read is refused, and the next read starts afresh. */
static bool settle(struct view *v, const struct json_reader *r, const char *member, const char *allowed,
                   enum header_code code)
{
    if (!v->status.error)
        return true;
    v->status.error = 0;
    return judge(v, r, member, v->why.text, allowed, false, code);
}

/* A string that is `expected`, or `other` where that is not NULL. */
static bool judge_word(struct view *v, struct json_reader *r, const char *member, const char *expected,
                       const char *other, enum header_code code, const char **ret_word)
{
    char allowed[2 * HEADER_WORD_BYTES + 8];
    const char *text = "";
    bool good;

    (void)snprintf(allowed, sizeof(allowed), "%s%s%s", expected, other ? " or " : "", other ? other : "");
    (void)json_read_string(r, member, JSON_REQUIRED, HEADER_WORD_BYTES - 1, &text);
    if (!settle(v, r, member, allowed, code))
        return false;
    good = strcmp(text, expected) == 0 || (other && strcmp(text, other) == 0);
    *ret_word = text;
    return judge(v, r, member, text, allowed, good, code);
}

static bool judge_constant(struct view *v, struct json_reader *r, const char *member, const char *expected,
                           enum header_code code)
{
    const char *text;

    return judge_word(v, r, member, expected, NULL, code, &text);
}

/* A JSON number from min to max; min when it is not. */
static uint32_t judge_number(struct view *v, struct json_reader *r, const char *member, uint32_t min, uint32_t max,
                             enum header_code code)
{
    char allowed[2 * NUMBER_TEXT_BYTES + 8], found[NUMBER_TEXT_BYTES];
    uint64_t value = 0;

    (void)snprintf(allowed, sizeof(allowed), min == max ? "%u" : "%u to %u", min, max);
    (void)json_read_u64(r, member, JSON_REQUIRED, 0, UINT64_MAX, &value);
    if (!settle(v, r, member, allowed, code))
        return min;
    (void)snprintf(found, sizeof(found), "%" PRIu64, value);
    return judge(v, r, member, found, allowed, value >= min && value <= max, code) ? (uint32_t)value : min;
}

/* A number in a string; the caller judges its value. */
static bool read_number_text(struct view *v, struct json_reader *r, const char *member, const char *allowed,
                             enum header_code code, const char **ret_text, uint64_t *ret_value)
{
    *ret_text = "";
    (void)json_read_string(r, member, JSON_REQUIRED, NUMBER_TEXT_BYTES - 1, ret_text);
    if (!settle(v, r, member, allowed, code))
        return false;
    return decimal_decode_text(*ret_text, INT64_MAX, ret_value) || judge(v, r, member, *ret_text, allowed, false, code);
}

/* One that has to be `expected`. */
static void judge_number_text(struct view *v, struct json_reader *r, const char *member, uint64_t expected,
                              const char *allowed, enum header_code code)
{
    const char *text;
    uint64_t value;

    if (read_number_text(v, r, member, allowed, code, &text, &value))
        (void)judge(v, r, member, text, allowed, value == expected, code);
}

static void judge_bytes(struct view *v, struct json_reader *r, const char *member, size_t min, size_t max,
                        enum header_code code, uint8_t *ret_bytes, size_t *ret_size)
{
    char allowed[2 * NUMBER_TEXT_BYTES + 32], found[NUMBER_TEXT_BYTES + 8];
    size_t size = 0;

    (void)snprintf(allowed, sizeof(allowed), "%zu to %zu bytes in base64", min, max);
    (void)json_read_base64(r, member, JSON_REQUIRED, BASE64_STANDARD, ret_bytes, max, &size);
    if (!settle(v, r, member, allowed, code))
        return;
    (void)snprintf(found, sizeof(found), "%zu bytes", size);
    (void)judge(v, r, member, found, allowed, size >= min, code);
    *ret_size = size;
}

static bool open_object(struct view *v, struct json_reader *r, const char *member, enum header_code code,
                        struct json_reader *ret_reader)
{
    (void)json_read_object(r, member, JSON_REQUIRED, ret_reader);
    return settle(v, r, member, "an object", code);
}

/* Nothing but what was read may be there. */
static void close_object(struct view *v, struct json_reader *r, enum header_code code)
{
    json_read_done(r);
    (void)settle(v, r, NULL, "no other members", code);
}

/* A member that may not be there at all, with whatever value. */
static void judge_absent(struct view *v, struct json_reader *r, const char *member, enum header_code code)
{
    bool there = json_has(r, member);

    json_ignore(r, member);
    (void)judge(v, r, member, there ? "present" : "absent", "absent", !there, code);
}

/* An array of strings: "0" alone, or nothing. */
static void judge_list(struct view *v, struct json_reader *r, const char *member, bool with_zero,
                       enum header_code code)
{
    const char *allowed = with_zero ? "0 alone" : "none", *text = "none";
    struct json_reader array;
    size_t count = 0;

    if (json_read_array(r, member, JSON_REQUIRED, with_zero ? 1 : 0, &array, &count) && count)
        (void)json_element_string(&array, 0, NUMBER_TEXT_BYTES - 1, &text);
    if (settle(v, r, member, allowed, code))
        (void)judge(v, r, member, text, allowed, count == (with_zero ? 1 : 0) && (!count || strcmp(text, "0") == 0),
                    code);
}

static void judge_config(struct view *v, struct json_reader *root)
{
    struct json_reader config;

    if (!open_object(v, root, "config", HEADER_CONFIG_JSON_SIZE, &config))
        return;
    judge_number_text(v, &config, "json_size", HEADER_JSON_BYTES, "12288", HEADER_CONFIG_JSON_SIZE);
    judge_number_text(v, &config, "keyslots_size", HEADER_DATA_OFFSET_BYTES - KEYSLOTS_START,
                      "16744448, up to the data", HEADER_CONFIG_KEYSLOTS_SIZE);
    judge_absent(v, &config, "flags", HEADER_CONFIG_FLAGS);
    judge_absent(v, &config, "requirements", HEADER_CONFIG_REQUIREMENTS);
    close_object(v, &config, HEADER_MEMBER);
}

/* The tags of AEAD volumes: one kind, with dm-integrity's journal neither encrypted nor hashed a second time. */
static void judge_integrity(struct view *v, struct json_reader *segment, struct header *header)
{
    static const char none[] = "none", tags[] = "hmac(sha256)";
    struct json_reader integrity;

    memcpy(header->integrity, none, sizeof(none));
    header->key_size = XTS_KEY_BYTES;
    if (!json_has(segment, "integrity")) {
        (void)judge(v, segment, "integrity", "absent", "absent, or hmac(sha256)", true, HEADER_GOOD);
        return;
    }
    memcpy(header->integrity, tags, sizeof(tags));
    header->key_size = AEAD_KEY_BYTES;
    if (!open_object(v, segment, "integrity", HEADER_SEGMENT_INTEGRITY, &integrity))
        return;
    (void)judge_constant(v, &integrity, "type", tags, HEADER_SEGMENT_INTEGRITY);
    (void)judge_constant(v, &integrity, "journal_encryption", none, HEADER_SEGMENT_INTEGRITY);
    (void)judge_constant(v, &integrity, "journal_integrity", none, HEADER_SEGMENT_INTEGRITY);
    close_object(v, &integrity, HEADER_MEMBER);
}

static void judge_sector_size(struct view *v, struct json_reader *segment, struct header *header)
{
    static const char name[] = "sector_size", allowed[] = "4096, or 512 without tags";
    char found[NUMBER_TEXT_BYTES];
    uint64_t size = 0;

    header->sector_size = 4096;
    (void)json_read_u64(segment, name, JSON_REQUIRED, 0, UINT64_MAX, &size);
    if (!settle(v, segment, name, allowed, HEADER_SEGMENT_SECTOR))
        return;
    (void)snprintf(found, sizeof(found), "%" PRIu64, size);
    if (judge(v, segment, name, found, allowed, size == 4096 || (size == 512 && header->key_size == XTS_KEY_BYTES),
              HEADER_SEGMENT_SECTOR))
        header->sector_size = (uint32_t)size;
}

static void judge_segment_place(struct view *v, struct json_reader *segment, struct header *header)
{
    const char *text = "", *allowed = "dynamic, or whole sectors";
    uint64_t number = 0;

    header->offset = HEADER_DATA_OFFSET_BYTES;
    judge_number_text(v, segment, "offset", HEADER_DATA_OFFSET_BYTES, "16777216", HEADER_SEGMENT_OFFSET);
    judge_number_text(v, segment, "iv_tweak", 0, "0", HEADER_SEGMENT_IV);
    (void)json_read_string(segment, "size", JSON_REQUIRED, NUMBER_TEXT_BYTES - 1, &text);
    if (!settle(v, segment, "size", allowed, HEADER_SEGMENT_SIZE))
        return;
    if (strcmp(text, "dynamic") != 0 &&
        (!decimal_decode_text(text, INT64_MAX, &number) || !number || number % header->sector_size))
        number = UINT64_MAX;
    (void)judge(v, segment, "size", text, allowed, number != UINT64_MAX, HEADER_SEGMENT_SIZE);
    header->length = number;
}

static void judge_segment(struct view *v, struct json_reader *root, struct header *header)
{
    struct json_reader segments, segment;

    if (!open_object(v, root, "segments", HEADER_SEGMENT_COUNT, &segments) ||
        !open_object(v, &segments, "0", HEADER_SEGMENT_COUNT, &segment))
        return;
    close_object(v, &segments, HEADER_SEGMENT_COUNT);
    (void)judge_constant(v, &segment, "type", "crypt", HEADER_SEGMENT_TYPE);
    if (judge_constant(v, &segment, "encryption", CIPHER, HEADER_SEGMENT_CIPHER))
        memcpy(header->cipher, CIPHER, sizeof(CIPHER));
    judge_integrity(v, &segment, header);
    judge_sector_size(v, &segment, header);
    judge_segment_place(v, &segment, header);
    judge_absent(v, &segment, "flags", HEADER_SEGMENT_FLAGS);
    close_object(v, &segment, HEADER_MEMBER);
}

static void judge_digest(struct view *v, struct json_reader *root, struct header *header)
{
    struct json_reader digests, digest;
    size_t size = 0;

    if (!open_object(v, root, "digests", HEADER_DIGEST_COUNT, &digests) ||
        !open_object(v, &digests, "0", HEADER_DIGEST_COUNT, &digest))
        return;
    close_object(v, &digests, HEADER_DIGEST_COUNT);
    (void)judge_constant(v, &digest, "type", "pbkdf2", HEADER_DIGEST_TYPE);
    judge_list(v, &digest, "keyslots", header->has_keyslot, HEADER_DIGEST_KEYSLOTS);
    judge_list(v, &digest, "segments", true, HEADER_DIGEST_SEGMENTS);
    (void)judge_constant(v, &digest, "hash", "sha256", HEADER_DIGEST_HASH);
    header->digest_iterations = judge_number(v, &digest, "iterations", ITERATIONS_LEAST,
                                             HEADER_DIGEST_ITERATIONS_MOST, HEADER_DIGEST_ITERATIONS);
    judge_bytes(v, &digest, "salt", SALT_LEAST_BYTES, HEADER_SALT_MAX_BYTES, HEADER_DIGEST_SALT, header->digest_salt,
                &header->digest_salt_size);
    judge_bytes(v, &digest, "digest", HEADER_DIGEST_BYTES, HEADER_DIGEST_BYTES, HEADER_DIGEST_VALUE, header->digest,
                &size);
    close_object(v, &digest, HEADER_MEMBER);
}

/* The bounds keep unlocking by passphrase from exhausting the machine, in guests as on hosts. */
static void judge_kdf(struct view *v, struct json_reader *keyslot, struct header_keyslot *to)
{
    struct json_reader kdf;
    const char *type = "";

    if (!open_object(v, keyslot, "kdf", HEADER_KDF_TYPE, &kdf) ||
        !judge_word(v, &kdf, "type", "pbkdf2", "argon2id", HEADER_KDF_TYPE, &type))
        return;
    to->argon2id = strcmp(type, "argon2id") == 0;
    if (!to->argon2id) {
        (void)judge_constant(v, &kdf, "hash", "sha256", HEADER_KDF_HASH);
        to->iterations = judge_number(v, &kdf, "iterations", ITERATIONS_LEAST, HEADER_DIGEST_ITERATIONS_MOST,
                                      HEADER_KDF_ITERATIONS);
    } else {
        to->iterations = judge_number(v, &kdf, "time", 1, KDF_TIME_MOST, HEADER_KDF_TIME);
        to->memory_kib = judge_number(v, &kdf, "memory", 32, HEADER_KDF_MEMORY_MOST_KIB, HEADER_KDF_MEMORY);
        to->lanes = judge_number(v, &kdf, "cpus", 1, KDF_CPUS_MOST, HEADER_KDF_CPUS);
    }
    judge_bytes(v, &kdf, "salt", SALT_LEAST_BYTES, HEADER_SALT_MAX_BYTES, HEADER_KDF_SALT, to->salt, &to->salt_size);
    close_object(v, &kdf, HEADER_MEMBER);
}

static void judge_area(struct view *v, struct json_reader *keyslot, size_t key_size, uint64_t *ret_offset)
{
    const char *text, *where = "32768 to the data, whole blocks of 4096", *size_allowed = "the split key, to the data";
    uint64_t offset = 0, size = 0, end = 0;
    struct json_reader area;

    if (!open_object(v, keyslot, "area", HEADER_AREA_TYPE, &area))
        return;
    (void)judge_constant(v, &area, "type", "raw", HEADER_AREA_TYPE);
    if (read_number_text(v, &area, "offset", where, HEADER_AREA_OFFSET, &text, &offset))
        (void)judge(v, &area, "offset", text, where,
                    offset >= KEYSLOTS_START && offset < HEADER_DATA_OFFSET_BYTES && offset % 4096 == 0,
                    HEADER_AREA_OFFSET);
    if (read_number_text(v, &area, "size", size_allowed, HEADER_AREA_SIZE, &text, &size))
        (void)judge(v, &area, "size", text, size_allowed,
                    size >= AF_STRIPES * key_size && size % 4096 == 0 &&
                        !__builtin_add_overflow(offset, size, &end) && end <= HEADER_DATA_OFFSET_BYTES,
                    HEADER_AREA_SIZE);
    (void)judge_constant(v, &area, "encryption", CIPHER, HEADER_AREA_CIPHER);
    (void)judge_number(v, &area, "key_size", XTS_KEY_BYTES, XTS_KEY_BYTES, HEADER_AREA_KEY_SIZE);
    close_object(v, &area, HEADER_MEMBER);
    *ret_offset = offset;
}

static void judge_af(struct view *v, struct json_reader *keyslot)
{
    struct json_reader af;

    if (!open_object(v, keyslot, "af", HEADER_AF_TYPE, &af))
        return;
    (void)judge_constant(v, &af, "type", "luks1", HEADER_AF_TYPE);
    (void)judge_number(v, &af, "stripes", AF_STRIPES, AF_STRIPES, HEADER_AF_STRIPES);
    (void)judge_constant(v, &af, "hash", "sha256", HEADER_AF_HASH);
    close_object(v, &af, HEADER_MEMBER);
}

static void judge_keyslot(struct view *v, struct json_reader *root, struct header *header)
{
    struct json_reader keyslots, keyslot;
    uint32_t key_size = (uint32_t)header->key_size;

    if (!open_object(v, root, "keyslots", HEADER_KEYSLOT_COUNT, &keyslots))
        return;
    header->has_keyslot = json_has(&keyslots, "0");
    if (header->has_keyslot && open_object(v, &keyslots, "0", HEADER_KEYSLOT_COUNT, &keyslot)) {
        (void)judge_constant(v, &keyslot, "type", "luks2", HEADER_KEYSLOT_TYPE);
        (void)judge_number(v, &keyslot, "key_size", key_size, key_size, HEADER_KEYSLOT_KEY_SIZE);
        if (json_has(&keyslot, "priority"))
            (void)judge_number(v, &keyslot, "priority", 0, 2, HEADER_KEYSLOT_PRIORITY);
        judge_af(v, &keyslot);
        judge_area(v, &keyslot, header->key_size, &header->keyslot.area_offset);
        judge_kdf(v, &keyslot, &header->keyslot);
        close_object(v, &keyslot, HEADER_MEMBER);
    }
    close_object(v, &keyslots, HEADER_KEYSLOT_COUNT);
}

static void judge_tokens(struct view *v, struct json_reader *root)
{
    struct json_reader tokens;

    if (!open_object(v, root, "tokens", HEADER_TOKENS, &tokens))
        return;
    json_read_done(&tokens);
    if (settle(v, root, "tokens", "none", HEADER_TOKENS))
        (void)judge(v, root, "tokens", "none", "none", true, HEADER_TOKENS);
}

int header_judge_json(struct header_examination *e, const uint8_t *area, struct header *header)
{
    static const char allowed[] = "one strict JSON object, zeros behind it";
    size_t length = strnlen((const char *)area, HEADER_JSON_BYTES);
    CLEANUP_JSON struct json_object *tree = NULL;
    struct view v = { .e = e };
    struct json_reader root;
    int r;

    v.status.why = &v.why;
    if (length == HEADER_JSON_BYTES || !all_zero(area + length, HEADER_JSON_BYTES - length)) {
        (void)header_judge(e, "json", "no end, or bytes behind it", allowed, false, HEADER_JSON);
        return 0;
    }
    /* libcryptsetup wants the object to start at once. */
    r = area[0] == '{' ? json_parse(area, length, HEADER_JSON_BYTES, &tree, &v.why)
                       : reason_set(&v.why, -EBADMSG, "does not start with {");
    if (r == -ENOMEM)
        return r;
    if (!header_judge(e, "json", r < 0 ? v.why.text : "one object", allowed, r == 0, HEADER_JSON))
        return 0;
    json_read_root(tree, &v.status, &root);
    judge_config(&v, &root);
    judge_tokens(&v, &root);
    judge_segment(&v, &root, header); /* says how large a volume key is */
    judge_keyslot(&v, &root, header);
    judge_digest(&v, &root, header);
    close_object(&v, &root, HEADER_MEMBER);
    return 0;
}
