/*
 * A test program, not part of the product: where byte strings occur in a file, all of them in one pass.
 *
 *     find-bytes FILE <NEEDLES    NEEDLES: one string of 8 to 4096 bytes a line, in hexadecimal
 *
 * For each place one line: the needle's line (from 0) and the offset.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/encode.h"

#define NEEDLES_MOST 65536u
#define NEEDLE_LEAST_BYTES 8u
#define NEEDLE_MOST_BYTES 4096u
#define START_BYTES 3u /* those that are looked up */

struct needle {
    uint8_t *bytes;
    size_t size;
    unsigned next; /* with the same start; counted from 1 */
};

static struct needle needles[NEEDLES_MOST + 1];
static unsigned starts[1u << (8 * START_BYTES)];

static unsigned start_of(const uint8_t *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8 | (unsigned)bytes[2] << 16;
}

static unsigned read_needles(void)
{
    static char line[2 * NEEDLE_MOST_BYTES + 2];
    unsigned count = 0;

    while (fgets(line, sizeof(line), stdin)) {
        size_t digits = strcspn(line, "\n");
        struct needle *needle = &needles[++count];

        if (count > NEEDLES_MOST || digits / 2 < NEEDLE_LEAST_BYTES)
            return 0;
        needle->size = digits / 2;
        needle->bytes = malloc(needle->size);
        if (!needle->bytes || hex_decode(line, digits, needle->bytes, needle->size) < 0)
            return 0;
        needle->next = starts[start_of(needle->bytes)];
        starts[start_of(needle->bytes)] = count;
    }
    return count;
}

static void find(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + START_BYTES <= size; at++)
        for (unsigned n = starts[start_of(data + at)]; n; n = needles[n].next)
            if (needles[n].size <= size - at && memcmp(needles[n].bytes, data + at, needles[n].size) == 0)
                printf("%u %zu\n", n - 1, at);
}

int main(int count, char **words)
{
    struct stat status;
    void *data;
    int fd = count == 2 ? open(words[1], O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0 || fstat(fd, &status) < 0 || !read_needles()) {
        fprintf(stderr, "usage: find-bytes FILE <NEEDLES\n");
        return 1;
    }
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        fprintf(stderr, "find-bytes: %s: %s\n", words[1], strerror(errno));
        return 1;
    }
    find(data, (size_t)status.st_size);
    return 0;
}
