/* postern volume inspect: a disk's LUKS2 header, every field with its verdict. The disk is anybody's. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "luks/header.h"

struct listing {
    struct buffer text;
    bool json;
    size_t fields, refused;
};

static const char *const copies[] = { "both", "first", "second" };

static void list_json(struct listing *l, const struct header_field *field)
{
    buffer_add_text(&l->text, l->fields ? "," : "");
    buffer_printf(&l->text, "{\"copy\":\"%s\",\"field\":", copies[field->copy]);
    buffer_add_json_string(&l->text, field->name);
    buffer_add_text(&l->text, ",\"found\":");
    buffer_add_json_string(&l->text, field->found);
    buffer_add_text(&l->text, ",\"allowed\":");
    buffer_add_json_string(&l->text, field->allowed);
    buffer_printf(&l->text, ",\"verdict\":\"%s\",\"code\":\"%s\"}", field->code ? "refused" : "accepted",
                  header_code_text(field->code));
}

/* Other people's text goes on a terminal: what is not printable shows as a question mark. */
static void list_line(struct listing *l, const struct header_field *field)
{
    struct reason line = { "" };

    if (field->code == HEADER_GOOD && field->copy == 2)
        return;
    if (field->code)
        (void)reason_set(&line, 0, "%-24s %-7s %-28s %s, allowed: %s", header_code_text(field->code),
                         copies[field->copy], field->name, field->found, field->allowed);
    else
        (void)reason_set(&line, 0, "%-24s %-7s %-28s %s", "accepted", copies[field->copy], field->name, field->found);
    buffer_printf(&l->text, "%s\n", line.text);
}

static void list_field(void *context, const struct header_field *field)
{
    struct listing *l = context;

    if (l->json)
        list_json(l, field);
    else
        list_line(l, field);
    l->fields++;
    l->refused += field->code != HEADER_GOOD;
}

static int read_disk(const char *path, uint64_t offset, uint8_t bytes[HEADER_BYTES], size_t *ret_size,
                     struct reason *why)
{
    CLEANUP_FD int disk = open(path, O_RDONLY | O_CLOEXEC);
    int r = disk < 0 ? -errno : header_read(disk, offset, bytes);

    *ret_size = HEADER_BYTES;
    if (r == -ENODATA)
        *ret_size = r = 0;
    return r < 0 ? reason_set(why, r, "%s: cannot be read: %s", path, strerror(-r)) : 0;
}

/* The verdict for mode `header`; the default mode `record` does not look at the header. */
static int show(struct listing *l, int verdict, enum header_code code, const struct reason *why)
{
    if (buffer_error(&l->text) < 0)
        return buffer_error(&l->text);
    if (l->json) {
        printf("{\"fields\":[%s],\"verdict\":\"%s\",\"code\":\"%s\"}\n", buffer_text(&l->text),
               verdict < 0 ? "refused" : "accepted", header_code_text(code));
        return 0;
    }
    fputs(buffer_text(&l->text), stdout);
    if (verdict < 0)
        printf("\n%zu of %zu fields refused: mode header would not open it.\n%s\n", l->refused, l->fields, why->text);
    else
        printf("\nAll %zu fields are on the list: mode header opens it, with the key that its digest is of.\n",
               l->fields);
    return 0;
}

static int inspect(const char *path, uint64_t offset, bool json)
{
    static uint8_t bytes[HEADER_BYTES];
    struct listing listing = { .text = BUFFER_EMPTY, .json = json };
    const struct header_sink sink = { list_field, &listing };
    enum header_code code = HEADER_GOOD;
    struct reason why = { "" };
    struct header header;
    size_t size = 0;
    int r = read_disk(path, offset, bytes, &size, &why), shown;

    if (r == 0)
        r = header_parse(bytes, size, &sink, &header, &code, &why);
    if (r < 0 && r != -EBADMSG) {
        log_error("%s", reason_text(&why, r));
        buffer_free(&listing.text);
        return COMMAND_MISUSE;
    }
    shown = show(&listing, r, code, &why);
    buffer_free(&listing.text);
    if (shown < 0) {
        log_error("%s", strerror(-shown));
        return COMMAND_MISUSE;
    }
    return r < 0 ? EXIT_DISK : COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *path = NULL;
    uint64_t offset = 0;
    bool json = false;
    const struct option_row rows[] = {
        OPTION("offset", "BYTES", "where the volume starts on the disk (default 0)", OPTION_U64, &offset,
               .max = INT64_MAX - HEADER_BYTES),
        OPTION("json", NULL, "one JSON object instead of lines", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which disk? usage: postern volume inspect DISK");
        return COMMAND_MISUSE;
    }
    if (offset % PAGE_BYTES) {
        log_error("--offset: %llu is no multiple of 4096", (unsigned long long)offset);
        return COMMAND_MISUSE;
    }
    return inspect(path, offset, json);
}

const struct command verb_volume_inspect = {
    .program = "postern",
    .name = "volume inspect",
    .summary = "Holds a disk's LUKS2 header against the allow-list, field by field.",
    .usage = "DISK [OPTION…]",
    .example = "  postern volume inspect data.img\n",
    .run = run,
};
