/* attest/cert-table: the host's table of certificates, of which it controls every byte. */
#include "unit.h"

#include "attest/cert-table.h"
#include "base/cursor.h"

#define HEAD 24u

static const uint8_t guids[][16] = {
    [CERTIFICATE_VCEK] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                           0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
    [CERTIFICATE_VLEK] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
                           0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
    [CERTIFICATE_ASK] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
                          0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
    [CERTIFICATE_ARK] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
                          0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae },
    [CERTIFICATE_CRL] = { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d,
                          0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea },
};

static uint8_t bytes[CERT_TABLE_MAX_BYTES + 1];

static void put_entry(size_t index, const uint8_t guid[16], bool mixed, uint32_t offset, uint32_t length)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t *at = bytes + index * HEAD;

    for (size_t i = 0; i < 16; i++)
        at[i] = guid[mixed ? order[i] : i];
    put_u32le(at + 16, offset);
    put_u32le(at + 20, length);
}

static void begin(void)
{
    memset(bytes, 0, sizeof(bytes));
}

static struct cert_table table;
static struct reason why;

static int parse(size_t size)
{
    static uint8_t *copy;

    free(copy);
    copy = exact_copy(bytes, size);
    memset(&table, 0x5a, sizeof(table));
    why.text[0] = '\0';
    return cert_table_parse(copy, size, &table, &why);
}

static void assert_refused(size_t size, const char *words)
{
    struct cert_table untouched;

    memset(&untouched, 0x5a, sizeof(untouched));
    if (parse(size) != -EBADMSG || !strstr(why.text, words))
        fail_msg("gave \"%s\", expected \"%s\"", why.text, words);
    assert_memory_equal(&table, &untouched, sizeof(table));
}

static void reads_both_byte_orders(void **state UNUSED)
{
    for (int mixed = 0; mixed < 2; mixed++) {
        begin();
        for (uint32_t kind = CERTIFICATE_VCEK; kind <= CERTIFICATE_CRL; kind++) {
            put_entry(kind - 1, guids[kind], mixed, 200 + 10 * kind, kind);
            memset(bytes + 200 + 10 * kind, (int)kind, kind);
        }
        assert_int_equal(parse(300), 0);
        assert_int_equal(table.count, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(table.entries[i].kind, i + 1);
            assert_int_equal(table.entries[i].size, i + 1);
            assert_int_equal(table.entries[i].data[i], i + 1);
        }
    }
}

static void keeps_unknown_certificates_apart(void **state UNUSED)
{
    static const uint8_t unknown[16] = { 0xec, 0xae, 0x0c, 0x0f }, zero[16];

    begin();
    put_entry(0, unknown, false, 100, 1);
    put_entry(1, zero, false, 101, 1); /* not the end: it has a place */
    put_entry(2, guids[CERTIFICATE_ARK], false, 102, 1);
    assert_int_equal(parse(103), 0);
    assert_int_equal(table.count, 3);
    assert_int_equal(table.entries[0].kind, CERTIFICATE_OTHER);
    assert_int_equal(table.entries[1].kind, CERTIFICATE_OTHER);
    assert_int_equal(table.entries[2].kind, CERTIFICATE_ARK);
}

static void takes_an_empty_table(void **state UNUSED)
{
    begin();
    assert_int_equal(parse(HEAD), 0);
    assert_int_equal(table.count, 0);
    assert_int_equal(parse(CERT_TABLE_MAX_BYTES), 0); /* the buffer of a host without certificates */
    assert_int_equal(table.count, 0);
}

static void refuses_a_table_without_an_end(void **state UNUSED)
{
    begin();
    for (size_t size = 0; size < HEAD; size++)
        assert_refused(size, "certificate table has no end");
    memset(bytes, 1, sizeof(bytes));
    put_entry(0, guids[CERTIFICATE_VCEK], false, 24, 1);
    for (size_t size = HEAD + 1; size < 2 * HEAD; size++)
        assert_refused(size, "certificate table has no end");
}

static void refuses_more_than_the_maximum(void **state UNUSED)
{
    begin();
    assert_refused(CERT_TABLE_MAX_BYTES + 1, "certificate table of 16385 bytes, at most 16384 are accepted");
    for (size_t count = CERT_TABLE_MAX_ENTRIES; count <= CERT_TABLE_MAX_ENTRIES + 1; count++) {
        begin();
        for (size_t i = 0; i < count; i++)
            put_entry(i, guids[CERTIFICATE_CRL], false, (uint32_t)(1000 + i), 1);
        if (count > CERT_TABLE_MAX_ENTRIES)
            assert_refused(2000, "certificate table with more than 16 entries");
        else
            assert_int_equal(parse(2000), 0);
    }
}

static void refuses_places_outside(void **state UNUSED)
{
    static const uint32_t places[][2] = {
        { 100, 0 }, { 0, 0 }, { 200, 1 }, { 199, 2 }, { 100, 101 }, { 201, 0 }, { 100, ~0u }, { 1, ~0u }, { ~0u, 1 },
        { ~0u, ~0u }, { 0x80000000, 0x80000000 }, { 0xffffff9c, 200 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        begin();
        put_entry(0, guids[CERTIFICATE_VCEK], false, places[i][0], places[i][1]);
        assert_refused(200, "certificate 0 is said to lie at");
    }
    begin();
    put_entry(0, guids[CERTIFICATE_VCEK], false, 199, 1);
    assert_int_equal(parse(200), 0);
}

static void refuses_places_inside_the_head(void **state UNUSED)
{
    for (uint32_t offset = 0; offset <= 4 * HEAD; offset++) {
        begin();
        put_entry(0, guids[CERTIFICATE_VCEK], false, 150, 50);
        put_entry(1, guids[CERTIFICATE_ASK], false, offset, 10);
        put_entry(2, guids[CERTIFICATE_ARK], false, 120, 10);
        if (offset < 4 * HEAD)
            assert_refused(200, "certificate 1 lies inside the table's head");
        else
            assert_int_equal(parse(200), 0);
    }
    begin();
    put_entry(0, guids[CERTIFICATE_VCEK], false, 2 * HEAD - 1, 50);
    assert_refused(200, "certificate 0 lies inside the table's head");
}

static void refuses_overlaps(void **state UNUSED)
{
    static const uint32_t second[][2] = { { 100, 20 }, { 90, 11 }, { 119, 1 }, { 119, 50 }, { 90, 60 }, { 105, 5 } };
    static const uint32_t beside[][2] = { { 90, 10 }, { 120, 10 } };

    for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
        begin();
        put_entry(0, guids[CERTIFICATE_VCEK], false, 100, 20);
        put_entry(1, guids[CERTIFICATE_ASK], false, second[i][0], second[i][1]);
        assert_refused(200, "certificates 0 and 1 overlap");
    }
    for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
        begin();
        put_entry(0, guids[CERTIFICATE_VCEK], false, 100, 20);
        put_entry(1, guids[CERTIFICATE_ASK], false, beside[i][0], beside[i][1]);
        assert_int_equal(parse(200), 0);
    }
}

static void goes_there_and_back(void **state UNUSED)
{
    for (size_t count = 0; count <= CERT_TABLE_MAX_ENTRIES; count++) {
        CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;
        struct cert_table from = { .count = count }, to;
        uint8_t contents[CERT_TABLE_MAX_ENTRIES][40];

        random_fill(contents, sizeof(contents));
        for (size_t i = 0; i < count; i++)
            from.entries[i] = (struct certificate_entry){ (enum certificate_kind)(i % 6), contents[i], 1 + i * 2 };
        cert_table_encode(&from, &b);
        assert_int_equal(buffer_error(&b), 0);
        assert_int_equal(cert_table_parse(b.data, b.size, &to, &why), 0);
        assert_int_equal(to.count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(to.entries[i].kind, from.entries[i].kind);
            assert_int_equal(to.entries[i].size, from.entries[i].size);
            assert_memory_equal(to.entries[i].data, from.entries[i].data, from.entries[i].size);
        }
        if (count > 1)
            assert_memory_equal(b.data + HEAD, guids[CERTIFICATE_VCEK], 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_byte_orders),
        cmocka_unit_test(keeps_unknown_certificates_apart),
        cmocka_unit_test(takes_an_empty_table),
        cmocka_unit_test(refuses_a_table_without_an_end),
        cmocka_unit_test(refuses_more_than_the_maximum),
        cmocka_unit_test(refuses_places_outside),
        cmocka_unit_test(refuses_places_inside_the_head),
        cmocka_unit_test(refuses_overlaps),
        cmocka_unit_test(goes_there_and_back),
    };

    return cmocka_run_group_tests_name("cert-table", tests, NULL, NULL);
}
