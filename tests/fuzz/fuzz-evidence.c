/* release/evidence-parse.c: what anybody sends; what is read can be written again and is the same. */
#include <stdlib.h>
#include <string.h>

#include "attest/report.h"
#include "release/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_evidence(const void *text, size_t size, struct evidence *ret_evidence)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct reason why = { "" };
    struct json_status status = { 0, &why };
    struct json_reader reader;
    int r = json_parse(text, size, 256 * 1024, &root, &why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    evidence_read(&reader, ret_evidence);
    return status.error;
}

/* A table that the JSON can carry: kinds with a name, and an endorsement key's certificate among them. */
static bool table_is_carried(const struct cert_table *table)
{
    bool useful = false;

    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].kind == CERTIFICATE_OTHER)
            return false;
        useful = useful || table->entries[i].kind == CERTIFICATE_VCEK || table->entries[i].kind == CERTIFICATE_VLEK;
    }
    return useful;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct evidence first, second;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct report report;

    if (read_evidence(data, size, &first) < 0)
        return 0;
    if (report_parse(first.report, REPORT_BYTES, &report, NULL) < 0 || report.reserved_offset)
        return 0;
    if (evidence_write(first.report, &first.table, &text, NULL) < 0 ||
        read_evidence(text.data, text.size, &second) < 0 || memcmp(first.report, second.report, REPORT_BYTES) != 0)
        abort();
    if (!table_is_carried(&first.table))
        return 0;
    if (second.table.count != first.table.count)
        abort();
    for (size_t i = 0; i < first.table.count; i++)
        if (first.table.entries[i].kind != second.table.entries[i].kind ||
            first.table.entries[i].size != second.table.entries[i].size ||
            memcmp(first.table.entries[i].data, second.table.entries[i].data, first.table.entries[i].size) != 0)
            abort();
    return 0;
}
