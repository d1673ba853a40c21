/*
 * attest/cert-table-parse.c. Certificates that are accepted lie inside the table, behind its head, apart from each
 * other; written anew the table says the same.
 */
#include "attest/cert-table.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct buffer anew = BUFFER_EMPTY;
    struct cert_table table, same;
    struct reason why = { "" };

    if (cert_table_parse(copy, size, &table, &why) == 0) {
        REQUIRE(table.count <= CERT_TABLE_MAX_ENTRIES);
        for (size_t i = 0; i < table.count; i++) {
            const struct certificate_entry *a = &table.entries[i];

            REQUIRE(a->size && a->data >= copy + (table.count + 1) * 24 && a->data + a->size <= copy + size);
            for (size_t k = 0; k < i; k++)
                REQUIRE(table.entries[k].data + table.entries[k].size <= a->data ||
                        a->data + a->size <= table.entries[k].data);
        }
        cert_table_encode(&table, &anew);
        REQUIRE(buffer_error(&anew) == 0 && anew.size <= size);
        REQUIRE(cert_table_parse(anew.data, anew.size, &same, &why) == 0 && same.count == table.count);
        for (size_t i = 0; i < table.count; i++) {
            REQUIRE(same.entries[i].kind == table.entries[i].kind && same.entries[i].size == table.entries[i].size);
            REQUIRE(memcmp(same.entries[i].data, table.entries[i].data, table.entries[i].size) == 0);
        }
    } else {
        REQUIRE(why.text[0]);
    }
    buffer_free(&anew);
    free(copy);
    return 0;
}
