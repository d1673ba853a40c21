/*
 * A main() for fuzz targets without a fuzzer: feeds every file of the target's corpus (tests/fuzz/corpus/NAME/) and
 * some hundred mutations of each, the same at every run. A target ends the process when a property does not hold; the
 * last line names the file it was at.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MAX_INPUT_BYTES (1u << 20)
#define MUTATIONS_PER_FILE 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Some byte flips, and sometimes a cut. A copy of exact size, so that sanitizers see reads beyond the end. */
static void run_mutation(const uint8_t *data, size_t size)
{
    size_t cut = next_random() % 4 ? size : next_random() % (size + 1);
    uint8_t *copy = malloc(cut ? cut : 1);

    if (!copy)
        abort();
    memcpy(copy, data, cut);
    for (size_t flips = next_random() % 8; cut && flips; flips--)
        copy[next_random() % cut] = (uint8_t)next_random();
    (void)LLVMFuzzerTestOneInput(copy, cut);
    free(copy);
}

static int run_file(const char *path)
{
    CLEANUP_FREE uint8_t *data = NULL;
    struct reason why = { "" };
    size_t size = 0;

    printf("# %s\n", path);
    (void)fflush(stdout);
    if (file_read(path, MAX_INPUT_BYTES, &data, &size, &why) < 0) {
        printf("# %s\n", why.text);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    for (int i = 0; i < MUTATIONS_PER_FILE; i++)
        run_mutation(data, size);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    char directory[256], path[600];
    struct dirent **entries;
    int count, files = 0, unread = 0;

    (void)argc;
    (void)snprintf(directory, sizeof(directory), "tests/fuzz/corpus/%s", name);
    count = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
            unread += run_file(path) < 0;
            files++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    printf("%s 1 - %s: %d files, %d mutations of each\n1..1\n", files && !unread ? "ok" : "not ok", name, files,
           MUTATIONS_PER_FILE);
    return files && !unread ? 0 : 1;
}
