/* cli/boot-record-parse.c. Any console is survived, and the drawing stays small. */
#include "cli/boot-record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    char *copy = fuzz_copy(data, size, 0), *at = copy, *end = copy + size;
    struct boot_record record = { .count = 0 };

    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        size_t before = record.count;
        bool taken = boot_record_add(&record, at, length);

        REQUIRE(record.count == before || (taken && record.count == before + 1));
        at += length + (newline ? 1 : 0);
    }
    REQUIRE(record.count <= BOOT_RECORD_MAX_STAGES && record.status >= 0 && record.status <= 255);
    REQUIRE(record.report_size <= REPORT_BYTES);
    boot_record_draw(&record, &drawing);
    REQUIRE(buffer_error(&drawing) == 0 && drawing.size < 8192);
    free(copy);
    return 0;
}
