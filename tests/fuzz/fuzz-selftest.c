/* cli/selftest-parse.c. A file that is accepted says the same when its parts are written again. */
#include "cli/selftest.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char *copy = fuzz_copy(data, size, 0);
    struct selftest *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));

    REQUIRE(first && second);
    if (selftest_parse(copy, size, first, NULL) == 0) {
        selftest_write(first, NULL, "", 0, &text);
        REQUIRE(buffer_error(&text) == 0);
        REQUIRE(selftest_parse(text.data, text.size, second, NULL) == 0);
        REQUIRE(memcmp(first->report, second->report, REPORT_BYTES) == 0);
        REQUIRE(memcmp(first->predicted, second->predicted, sizeof(first->predicted)) == 0);
        REQUIRE(strcmp(first->vcpu_type, second->vcpu_type) == 0 && first->vcpus == second->vcpus);
        REQUIRE(!first->certificates == !second->certificates);
        selftest_free(second);
    }
    selftest_free(first);
    free(first);
    free(second);
    free(copy);
    return 0;
}
