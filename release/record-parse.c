/*
 * Volume records, as they come out of a decrypted answer: nobody has vouched for them before the signature, and even
 * then every field is held against what we support. The bytes hold a key; nothing here copies it.
 */
#include "release/record.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

static const uint8_t record_magic[8] = { 'P', 'S', 'T', 'N', 'V', 'O', 'L', '2' };
static const uint8_t release_magic[8] = { 'P', 'S', 'T', 'N', 'R', 'E', 'L', '2' };

static bool read_magic(struct cursor *c, const uint8_t magic[8])
{
    uint8_t found[8];

    cursor_copy(c, found, sizeof(found));
    return memcmp(found, magic, sizeof(found)) == 0;
}

/* A length byte and that many characters of [a-z0-9-()], at least one. */
static bool read_word(struct cursor *c, char ret_text[RECORD_ID_MAX_BYTES + 1])
{
    size_t size = cursor_u8(c);

    if (!size || size > RECORD_ID_MAX_BYTES)
        return false;
    cursor_copy(c, ret_text, size);
    ret_text[size] = '\0';
    return strspn(ret_text, "abcdefghijklmnopqrstuvwxyz0123456789-()") == size;
}

/* Ciphers, MACs and key sizes that a guest can open: an allow-list. */
static bool combination_known(const struct record *record, size_t key_size)
{
    if (strcmp(record->cipher, "aes-xts-plain64") != 0)
        return false;
    if (record->state == RECORD_ROTATING) {
        if (key_size % 2)
            return false;
        key_size /= 2;
    }
    if (strcmp(record->integrity, "hmac(sha256)") == 0)
        return key_size == 96 && record->sector_size == 4096;
    return strcmp(record->integrity, "none") == 0 && key_size == 64;
}

static int check_fields(const struct record *record, size_t key_size, struct reason *why)
{
    uint64_t end;

    if (strpbrk(record->volume_id, "()"))
        return reason_set(why, -EBADMSG, "volume record: id \"%s\"", record->volume_id);
    if (!combination_known(record, key_size))
        return reason_set(why, -EBADMSG,
                          "volume record: cipher %s, integrity %s and a key of %zu bytes are not supported",
                          record->cipher, record->integrity, key_size);
    if (record->sector_size != 512 && record->sector_size != 4096)
        return reason_set(why, -EBADMSG, "volume record: sectors of %u bytes, expected 512 or 4096",
                          record->sector_size);
    if (record->offset % 4096 || !record->length || record->length % record->sector_size ||
        __builtin_add_overflow(record->offset, record->length, &end) || end > INT64_MAX)
        return reason_set(why, -EBADMSG, "volume record: %llu bytes at %llu are not whole sectors of a disk",
                          (unsigned long long)record->length, (unsigned long long)record->offset);
    if (!record->layout_length || record->layout_length % record->sector_size || record->layout_length > INT64_MAX)
        return reason_set(why, -EBADMSG, "volume record: a layout for %llu bytes is none",
                          (unsigned long long)record->layout_length);
    if (record->state != RECORD_UNINITIALISED && record->state != RECORD_READY && record->state != RECORD_ROTATING)
        return reason_set(why, -EBADMSG, "volume record: unknown state %u", (unsigned)record->state);
    return 0;
}

int record_parse_fields(const void *bytes, size_t size, struct record *ret_record, const uint8_t **ret_key,
                        size_t *ret_key_size, struct reason *why)
{
    struct cursor c = cursor_over(bytes, size);
    struct record record;
    const uint8_t *key;
    size_t key_size, mac_size;
    bool words;
    int r;

    memset(&record, 0, sizeof(record));
    if (!read_magic(&c, record_magic))
        return reason_set(why, -EBADMSG, "volume record: not one of version 2");
    words = read_word(&c, record.volume_id) && read_word(&c, record.cipher) && read_word(&c, record.integrity);
    record.sector_size = cursor_u32le(&c);
    record.offset = cursor_u64le(&c);
    record.length = cursor_u64le(&c);
    record.layout_length = cursor_u64le(&c);
    record.generation = cursor_u64le(&c);
    mac_size = cursor_u8(&c);
    record.has_header_mac = mac_size == RECORD_HEADER_MAC_BYTES;
    if (record.has_header_mac)
        cursor_copy(&c, record.header_mac, sizeof(record.header_mac));
    record.state = (enum record_state)cursor_u8(&c);
    key_size = cursor_u8(&c);
    key = cursor_bytes(&c, key_size);
    if (!words || (mac_size && !record.has_header_mac) || cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "volume record: does not have the layout of version 2");
    r = check_fields(&record, key_size, why);
    if (r < 0)
        return r;
    *ret_record = record;
    explicit_bzero(&record, sizeof(record)); /* nothing of a record stays in a guest's memory */
    *ret_key = key;
    *ret_key_size = key_size;
    return 0;
}

int record_split_release(const void *bytes, size_t size, struct record_release_parts *ret_parts)
{
    struct cursor c = cursor_over(bytes, size);
    struct record_release_parts parts;
    bool magic = read_magic(&c, release_magic);

    cursor_copy(&c, parts.binding.nonce, sizeof(parts.binding.nonce));
    cursor_copy(&c, parts.binding.report_digest, sizeof(parts.binding.report_digest));
    parts.epoch = cursor_u64le(&c);
    parts.registered_size = cursor_u16le(&c);
    parts.registered = cursor_bytes(&c, parts.registered_size);
    parts.signed_bytes = bytes;
    parts.signed_size = size - c.left;
    parts.signature_size = cursor_u16le(&c);
    parts.signature = cursor_bytes(&c, parts.signature_size);
    if (!magic || cursor_end(&c) < 0)
        return -EBADMSG;
    *ret_parts = parts;
    return 0;
}
