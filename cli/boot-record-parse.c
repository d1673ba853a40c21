/* Console lines of a guest: whatever is not a well-formed record line is somebody else's. Pure. */
#include "cli/boot-record.h"

#include <string.h>

#include "base/json.h"

#define LINE_MAX_BYTES 2048
#define BAR_CELLS 40u

static void copy_text(struct json_reader *reader, const char *name, char *to, size_t room)
{
    const char *text = "";

    (void)json_read_string(reader, name, JSON_OPTIONAL, LINE_MAX_BYTES, &text);
    memcpy(to, text, strnlen(text, room - 1));
    to[strnlen(text, room - 1)] = '\0';
}

static void add_stage(struct boot_record *record, struct json_reader *reader, const char *name)
{
    struct boot_record_stage *stage;
    const char *outcome = "";

    if (record->count == BOOT_RECORD_MAX_STAGES || strlen(name) >= sizeof(stage->name))
        return;
    stage = &record->stages[record->count];
    memcpy(stage->name, name, strlen(name) + 1);
    (void)json_read_u64(reader, "at_us", JSON_REQUIRED, 0, UINT64_MAX, &stage->at_us);
    (void)json_read_u64(reader, "us", JSON_REQUIRED, 0, UINT64_MAX, &stage->us);
    (void)json_read_string(reader, "outcome", JSON_REQUIRED, 16, &outcome);
    if (reader->status->error)
        return;
    stage->refused = strcmp(outcome, "ok") != 0;
    record->count++;
    if (!stage->refused) {
        char note[8];

        copy_text(reader, "note", note, sizeof(note));
        record->handed_off = record->handed_off || strcmp(name, "handoff") == 0;
        record->own_init = record->own_init || (strcmp(name, "handoff") == 0 && strcmp(note, "exec") == 0);
        return;
    }
    record->refused = true;
    copy_text(reader, "code", record->code, sizeof(record->code));
    copy_text(reader, "detail", record->detail, sizeof(record->detail));
    copy_text(reader, "request", record->request, sizeof(record->request));
}

bool boot_record_add(struct boot_record *record, const char *line, size_t size)
{
    static const char mark[] = "postern: {";
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, NULL };
    struct json_reader reader;
    const char *at = memmem(line, size, mark, strlen(mark)), *name = NULL;
    uint64_t version = 0, exit_status = 0;

    if (!at)
        return false;
    at += strlen(mark) - 1;
    size -= (size_t)(at - line);
    while (size && (at[size - 1] == '\r' || at[size - 1] == ' '))
        size--;
    if (json_parse(at, size, LINE_MAX_BYTES, &root, NULL) < 0)
        return false;
    json_read_root(root, &status, &reader);
    if (!json_read_u64(&reader, "postern", JSON_REQUIRED, 1, 1, &version) ||
        !json_read_string(&reader, "stage", JSON_REQUIRED, 64, &name))
        return false;
    if (strcmp(name, "exit") != 0) {
        add_stage(record, &reader, name);
    } else if (json_read_u64(&reader, "status", JSON_REQUIRED, 0, 255, &exit_status)) {
        record->ended = true;
        record->status = (int)exit_status;
    }
    return !status.error;
}

/* A bar from where the stage began to where it ended, on a line that stands for the whole time. */
static void draw_bar(struct buffer *to, uint64_t begin_us, uint64_t us, uint64_t total_us)
{
    uint64_t from = begin_us * BAR_CELLS / total_us, cells = (us * BAR_CELLS + total_us - 1) / total_us;

    for (uint64_t cell = 0; cell < BAR_CELLS; cell++)
        buffer_add_text(to, cell >= from && cell < from + (cells ? cells : 1) ? "█" : "·");
}

static void draw_line(struct buffer *to, const char *name, uint64_t begin_us, uint64_t us, uint64_t total_us,
                      const char *remark)
{
    buffer_printf(to, "  %-10s ", name);
    draw_bar(to, begin_us, us, total_us);
    buffer_printf(to, " %9.1f ms%s\n", (double)us / 1000, remark);
}

void boot_record_draw(const struct boot_record *record, struct buffer *to)
{
    const struct boot_record_stage *first = record->stages, *last;
    uint64_t total_us;

    if (!record->count)
        return;
    last = &record->stages[record->count - 1];
    if (__builtin_add_overflow(last->at_us, last->us, &total_us) || !total_us || total_us > UINT64_MAX / BAR_CELLS / 2)
        return;
    draw_line(to, "kernel", 0, first->at_us < total_us ? first->at_us : total_us, total_us, "");
    for (size_t i = 0; i < record->count; i++) {
        const struct boot_record_stage *stage = &record->stages[i];

        if (stage->at_us <= total_us && stage->us <= total_us)
            draw_line(to, stage->name, stage->at_us, stage->us, total_us, stage->refused ? "  refused" : "");
    }
    buffer_printf(to, "  %-10s %40s %9.1f ms\n", "together", "", (double)total_us / 1000);
}
