/*
 * Launch digests for differential.py: one request for each line of standard input, fields separated by tabs:
 * firmware, kernel ("-": no direct boot), initrd ("-": none), command line, vCPUs, CPU signature, SEV features.
 * One line each on standard output: the digest, or "refused: " and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "measure/launch.h"

#define FIELDS 7

static int answer(char **fields, uint8_t digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    struct launch_inputs inputs = { .vcpus = (uint32_t)strtoul(fields[4], NULL, 0),
                                    .cpu_signature = (uint32_t)strtoul(fields[5], NULL, 0),
                                    .features = strtoull(fields[6], NULL, 0) };
    struct kernel_hashes hashes;
    struct firmware firmware;
    size_t size = 0;
    int r = file_read(fields[0], FIRMWARE_MAX_BYTES, &data, &size, why);

    if (r == 0)
        r = firmware_parse(data, size, &firmware, why);
    if (r == 0 && strcmp(fields[1], "-") != 0) {
        r = kernel_hashes_compute(fields[1], strcmp(fields[2], "-") ? fields[2] : NULL, fields[3], &hashes, why);
        inputs.hashes = &hashes;
    }
    if (r < 0)
        return r;
    inputs.firmware = &firmware;
    return launch_digest(&inputs, digest, why);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0) {
        char *fields[FIELDS], text[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], *rest = line;
        uint8_t digest[LAUNCH_DIGEST_BYTES];
        struct reason why = { "" };

        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < FIELDS; i++)
            if (!(fields[i] = strsep(&rest, "\t")))
                return 1;
        if (answer(fields, digest, &why) < 0) {
            printf("refused: %s\n", why.text);
            continue;
        }
        hex_encode(digest, sizeof(digest), text);
        puts(text);
    }
    free(line);
    return 0;
}
