/* postern timeline: a saved console as a drawing of its stages. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/boot-record.h"

#define CONSOLE_MAX_BYTES (16u * 1024 * 1024)

static int draw(const char *text, size_t size)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    struct boot_record record = { .count = 0 };
    const char *at = text, *end = text + size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);

        (void)boot_record_add(&record, at, length);
        at += length + 1;
    }
    if (!record.count)
        return COMMAND_MISUSE;
    boot_record_draw(&record, &drawing);
    fputs(buffer_text(&drawing), stdout);
    if (record.refused)
        printf("  refused: %s: %s%s%s\n", record.code, record.detail, record.request[0] ? ", request " : "",
               record.request);
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP_FREE uint8_t *text = NULL;
    const char *path = NULL;
    struct reason why = { "" };
    size_t size = 0;
    int r = command_options(command, NULL, 0, argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which console log? usage: postern timeline FILE");
        return COMMAND_MISUSE;
    }
    r = file_read(path, CONSOLE_MAX_BYTES, &text, &size, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    r = draw((const char *)text, size);
    if (r != COMMAND_OK)
        log_error("%s: holds no boot record of postern-init", path);
    return r;
}

const struct command verb_timeline = {
    .program = "postern",
    .name = "timeline",
    .summary = "Draws the stages of a boot from a saved console.",
    .usage = "FILE",
    .example = "  postern timeline console.log\n",
    .run = run,
};
