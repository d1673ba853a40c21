/* Console lines of a guest: whatever is not a well-formed record line is somebody else's. Pure. */
#include "cli/boot-record.h"

#include <string.h>

#include "base/encode.h"
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

/* A part of the guest's report; the first one begins it anew, and one out of its turn is passed over. */
static void add_report(struct boot_record *record, struct json_reader *reader)
{
    const char *text = "";
    uint64_t part = 0;
    size_t size = 0;

    (void)json_read_u64(reader, "part", JSON_REQUIRED, 1, REPORT_BYTES, &part);
    (void)json_read_string(reader, "data", JSON_REQUIRED, LINE_MAX_BYTES, &text);
    if (reader->status->error || (part > 1 && part != record->report_part + 1))
        return;
    if (part == 1)
        record->report_size = 0;
    record->report_part = part;
    if (base64_decode(BASE64_STANDARD, text, strlen(text), record->report + record->report_size,
                      sizeof(record->report) - record->report_size, &size) == 0)
        record->report_size += size;
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
    if (!reader->status->error && strcmp(outcome, "evidence") == 0)
        add_report(record, reader);
    if (reader->status->error || strcmp(outcome, "waiting") == 0 || strcmp(outcome, "evidence") == 0)
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

/* A line of the guest's own. */
static bool add_line(struct boot_record *record, struct json_reader *reader)
{
    const char *name = NULL;
    uint64_t exit_status = 0;

    if (!json_read_string(reader, "stage", JSON_REQUIRED, 64, &name))
        return false;
    if (strcmp(name, "exit") != 0) {
        add_stage(record, reader, name);
    } else if (json_read_u64(reader, "status", JSON_REQUIRED, 0, 255, &exit_status)) {
        record->ended = true;
        record->status = (int)exit_status;
    }
    return !reader->status->error;
}

/* Whether the line has a JSON object of version 1 behind the mark; `add` then reads it. */
static bool add_marked(struct boot_record *record, const char *mark, const char *line, size_t size,
                       bool (*add)(struct boot_record *record, struct json_reader *reader))
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, NULL };
    struct json_reader reader;
    const char *at = memmem(line, size, mark, strlen(mark));
    uint64_t version = 0;

    if (!at)
        return false;
    at += strlen(mark);
    size -= (size_t)(at - line);
    while (size && (at[size - 1] == '\r' || at[size - 1] == ' '))
        size--;
    if (!size || *at != '{' || json_parse(at, size, LINE_MAX_BYTES, &root, NULL) < 0)
        return false;
    json_read_root(root, &status, &reader);
    return json_read_u64(&reader, "postern", JSON_REQUIRED, 1, 1, &version) && add(record, &reader);
}

bool boot_record_add(struct boot_record *record, const char *line, size_t size)
{
    return add_marked(record, "postern: ", line, size, add_line);
}

static bool add_host(struct boot_record *record, struct json_reader *reader)
{
    return json_read_u64(reader, "firmware_us", JSON_REQUIRED, 1, UINT32_MAX, &record->firmware_us);
}

void boot_record_add_all(struct boot_record *record, const char *text, size_t size)
{
    const char *at = text, *end = text + size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);

        if (!boot_record_add(record, at, length))
            (void)add_marked(record, BOOT_RECORD_HOST_MARK, at, length, add_host);
        at += length + 1;
    }
}

void boot_record_note_arrival(struct boot_record *record, uint64_t arrived_us)
{
    uint64_t ended_us;

    if (!record->count || __builtin_add_overflow(record->stages[0].at_us, record->stages[0].us, &ended_us))
        return;
    if (arrived_us > ended_us && arrived_us - ended_us <= UINT32_MAX)
        record->firmware_us = arrived_us - ended_us;
}
