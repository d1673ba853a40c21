/* Init-data that is only passed on, from guests: whether it is what HOST_DATA binds. Not in the guest. */
#include <errno.h>
#include <string.h>

#include "base/toml.h"
#include "release/init-data.h"

int init_data_match(const void *text, size_t size, const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES],
                    struct reason *why)
{
    char algorithm[16] = "";
    struct toml_reader reader;
    struct toml_entry entry;
    int r = toml_open(text, size, "data", &reader, why);

    while (r >= 0 && !algorithm[0]) {
        r = toml_next(&reader, &entry, why);
        if (r <= 0)
            break;
        if (!entry.in_table && strcmp(entry.key, "algorithm") == 0)
            r = toml_text(&entry, algorithm, sizeof(algorithm));
    }
    return r < 0 ? r : init_data_compare(algorithm, text, size, host_data, why);
}
