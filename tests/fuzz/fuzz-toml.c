/* base/toml-parse.c and release/payload-parse.c. What is read lies inside the text, and written anew it reads the same. */
#include "base/buffer.h"
#include "base/toml.h"
#include "fuzz.h"
#include "release/payload.h"

static void write_string(struct buffer *to, const char *text, size_t size)
{
    static const char special[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";

    buffer_add_text(to, "\"");
    for (size_t i = 0; i < size; i++) {
        const char *found = strchr(special, text[i]);

        if (found)
            buffer_printf(to, "\\%c", letters[found - special]);
        else
            buffer_add(to, text + i, 1);
    }
    buffer_add_text(to, "\"");
}

/* One line for each entry; the values with all escapes. False when the text was refused. */
static bool write_anew(const char *text, size_t size, struct buffer *to)
{
    static struct toml_reader reader;
    struct toml_entry entry;
    bool in_table = false;
    int r = toml_open(text, size, "data", &reader, NULL);

    while (r >= 0 && (r = toml_next(&reader, &entry, NULL)) > 0) {
        char *value = fuzz_copy("", 0, entry.raw_size);
        size_t length = 0;

        REQUIRE(entry.raw >= text && entry.raw + entry.raw_size <= text + size);
        REQUIRE(toml_value(&entry, value, entry.raw_size, &length) == 0 && length <= entry.raw_size);
        if (entry.in_table && !in_table)
            buffer_add_text(to, "[data]\n");
        in_table = entry.in_table;
        write_string(to, entry.key, strlen(entry.key));
        buffer_add_text(to, " = ");
        write_string(to, value, length);
        buffer_add_text(to, "\n");
        free(value);
    }
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUFFER struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    CLEANUP_SECRET struct secret answer = SECRET_NONE;
    char *text = fuzz_copy(data, size, 0);

    /* A carriage return in a multi-line literal cannot stand alone, so it comes back with its newline. */
    if (write_anew(text, size, &first) && first.size) {
        REQUIRE(write_anew((const char *)first.data, first.size, &second));
        REQUIRE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    free(text);
    if (!size || size > SECRET_MAX_BYTES || secret_copy(data, size, &answer) < 0)
        return 0;
    for (int kind = PAYLOAD_RECORD; kind <= PAYLOAD_RAW; kind++) {
        CLEANUP_SECRET struct secret found = SECRET_NONE;
        int r = payload_take((enum payload_kind)kind, "root", &answer, &found, NULL);

        REQUIRE(r == 0 ? found.size && found.size <= size : !found.bytes);
    }
    return 0;
}
