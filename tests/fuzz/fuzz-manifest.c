/*
 * measure/manifest-parse.c. What is accepted has as many rows as its matrix gives, and names that are no paths; written
 * again it gives a text that reads as the same and is then written as the same bytes.
 */
#include "fuzz.h"
#include "measure/manifest.h"

static void check(const struct manifest *m)
{
    CLEANUP_BUFFER struct buffer once = BUFFER_EMPTY, twice = BUFFER_EMPTY;
    CLEANUP_MANIFEST struct manifest *again = NULL;

    REQUIRE(m->row_count && m->row_count <= MANIFEST_MAX_ROWS && m->row_count == manifest_plan_rows(&m->plan));
    REQUIRE(m->roles[MANIFEST_FIRMWARE] < m->artefact_count);
    for (size_t i = 0; i < m->artefact_count; i++)
        REQUIRE(!strchr(m->artefacts[i].name, '/') && m->artefacts[i].name[0] != '.' &&
                manifest_artefact_find(m, m->artefacts[i].name) == i);
    REQUIRE(manifest_find(m, m->digests[0]) == 0);
    manifest_encode(m, &once);
    REQUIRE(buffer_error(&once) == 0);
    REQUIRE(manifest_parse(once.data, once.size, &again, NULL) == 0);
    manifest_encode(again, &twice);
    REQUIRE(buffer_error(&twice) == 0 && once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_MANIFEST struct manifest *m = NULL;
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct reason why = { "" };

    if (manifest_parse(copy, size, &m, &why) == 0)
        check(m);
    else
        REQUIRE(why.text[0]);
    free(copy);
    return 0;
}
