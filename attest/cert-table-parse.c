/* Certificate tables: the host controls every byte, the certificates included. Pure. */
#include "attest/cert-table.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "measure/guid.h"

#define ENTRY_BYTES 24u

struct kind_guid {
    enum certificate_kind kind;
    uint8_t guid[GUID_BYTES]; /* big-endian, as the text form reads */
};

static const struct kind_guid kinds[] = {
    { CERTIFICATE_VCEK,
      { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd } },
    { CERTIFICATE_VLEK,
      { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 } },
    { CERTIFICATE_ASK,
      { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 } },
    { CERTIFICATE_ARK,
      { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae } },
    { CERTIFICATE_CRL,
      { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea } },
};

/* Reverses the first three fields: some hosts write GUIDs as UEFI does. */
static void swap_guid(uint8_t guid[GUID_BYTES])
{
    static const uint8_t order[GUID_BYTES] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t from[GUID_BYTES];

    memcpy(from, guid, GUID_BYTES);
    for (size_t i = 0; i < GUID_BYTES; i++)
        guid[i] = from[order[i]];
}

static enum certificate_kind kind_of(const uint8_t guid[GUID_BYTES])
{
    uint8_t swapped[GUID_BYTES];

    memcpy(swapped, guid, GUID_BYTES);
    swap_guid(swapped);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (memcmp(kinds[i].guid, guid, GUID_BYTES) == 0 || memcmp(kinds[i].guid, swapped, GUID_BYTES) == 0)
            return kinds[i].kind;
    return CERTIFICATE_OTHER;
}

/* Every certificate lies behind the head of the table, inside it, and apart from the others. */
static int check_places(const struct cert_table *table, const uint8_t *start, size_t head,
                        struct reason *why)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct certificate_entry *a = &table->entries[i];

        if (a->data < start + head)
            return reason_set(why, -EBADMSG, "certificate %zu lies inside the table's head", i);
        for (size_t k = 0; k < i; k++) {
            const struct certificate_entry *b = &table->entries[k];

            if (a->data < b->data + b->size && b->data < a->data + a->size)
                return reason_set(why, -EBADMSG, "certificates %zu and %zu overlap", k, i);
        }
    }
    return 0;
}

int cert_table_parse(const void *data, size_t size, struct cert_table *ret_table, struct reason *why)
{
    struct cert_table table = { .count = 0 };
    struct cursor c = cursor_over(data, size);
    const uint8_t *start = data;
    int r;

    if (size > CERT_TABLE_MAX_BYTES)
        return reason_set(why, -EBADMSG, "certificate table of %zu bytes, at most %u are accepted", size,
                          CERT_TABLE_MAX_BYTES);
    for (;;) {
        uint8_t guid[GUID_BYTES];
        uint32_t offset, length;

        cursor_copy(&c, guid, sizeof(guid));
        offset = cursor_u32le(&c);
        length = cursor_u32le(&c);
        if (c.failed)
            return reason_set(why, -EBADMSG, "certificate table has no end");
        if (all_zero(guid, sizeof(guid)) && !offset && !length)
            break;
        if (table.count == CERT_TABLE_MAX_ENTRIES)
            return reason_set(why, -EBADMSG, "certificate table with more than %u entries", CERT_TABLE_MAX_ENTRIES);
        if (!length || !range_inside(offset, length, size))
            return reason_set(why, -EBADMSG, "certificate %zu is said to lie at %u with %u bytes, in a table of %zu",
                              table.count, offset, length, size);
        table.entries[table.count++] = (struct certificate_entry){ kind_of(guid), start + offset, length };
    }
    r = check_places(&table, start, size - c.left, why);
    if (r < 0)
        return r;
    *ret_table = table;
    return 0;
}

static const uint8_t *guid_of(enum certificate_kind kind)
{
    static const uint8_t none[GUID_BYTES] = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].guid;
    return none;
}

void cert_table_encode(const struct cert_table *table, struct buffer *to)
{
    static const uint8_t end[ENTRY_BYTES] = { 0 };
    size_t offset = (table->count + 1) * ENTRY_BYTES;

    for (size_t i = 0; i < table->count; i++) {
        buffer_add(to, guid_of(table->entries[i].kind), GUID_BYTES);
        buffer_add_u32le(to, (uint32_t)offset);
        buffer_add_u32le(to, (uint32_t)table->entries[i].size);
        offset += table->entries[i].size;
    }
    buffer_add(to, end, sizeof(end));
    for (size_t i = 0; i < table->count; i++)
        buffer_add(to, table->entries[i].data, table->entries[i].size);
}
