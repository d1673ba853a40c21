/* postern timeline and boot-chart: a saved console as a drawing of its stages, for a terminal and as SVG. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/boot-record.h"

#define CONSOLE_MAX_BYTES (16u * 1024 * 1024)

/* The record that a console holds; an error says which file holds none. */
static int read_record(const char *path, struct boot_record *ret_record)
{
    CLEANUP_FREE uint8_t *text = NULL;
    struct reason why = { "" };
    size_t size = 0;
    int r = file_read(path, CONSOLE_MAX_BYTES, &text, &size, &why);

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    *ret_record = (struct boot_record){ .count = 0 };
    boot_record_add_all(ret_record, (const char *)text, size);
    if (ret_record->count)
        return COMMAND_OK;
    log_error("%s: holds no boot record of postern-init", path);
    return COMMAND_MISUSE;
}

static int run_timeline(const struct command *command, int argc, char **argv)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    struct boot_record record;
    const char *path = NULL;
    int r = command_options(command, NULL, 0, argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which console log? usage: postern timeline FILE");
        return COMMAND_MISUSE;
    }
    r = read_record(path, &record);
    if (r != COMMAND_OK)
        return r;
    boot_record_draw(&record, &drawing);
    fputs(buffer_text(&drawing), stdout);
    if (record.refused)
        printf("  refused: %s: %s%s%s\n", record.code, record.detail, record.request[0] ? ", request " : "",
               record.request);
    return COMMAND_OK;
}

static int run_boot_chart(const struct command *command, int argc, char **argv)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    const char *path = NULL, *console = NULL;
    const struct option_row rows[] = {
        OPTION("console", "FILE", "what `postern launch --console` kept", OPTION_TEXT, &console),
    };
    struct reason why = { "" };
    struct boot_record record;
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path || !console) {
        log_error("%s? usage: postern boot-chart --console FILE FILE.svg", path ? "which console log" : "where to");
        return COMMAND_MISUSE;
    }
    r = read_record(console, &record);
    if (r != COMMAND_OK)
        return r;
    boot_record_draw_svg(&record, &drawing);
    r = buffer_error(&drawing);
    if (r == 0 && !drawing.size)
        r = reason_set(&why, -EBADMSG, "%s: its times do not fit together", console);
    if (r == 0)
        r = file_write(path, 0644, drawing.data, drawing.size, &why);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    return r < 0 ? COMMAND_MISUSE : COMMAND_OK;
}

const struct command verb_timeline = {
    .program = "postern",
    .name = "timeline",
    .summary = "Draws the stages of a boot from a saved console.",
    .usage = "FILE",
    .example = "  postern timeline console.log\n",
    .run = run_timeline,
};

const struct command verb_boot_chart = {
    .program = "postern",
    .name = "boot-chart",
    .summary = "Draws firmware, kernel and the stages of a boot to scale, as an SVG image.",
    .usage = "--console FILE FILE.svg",
    .example = "  postern boot-chart --console console.log boot.svg\n",
    .run = run_boot_chart,
};
