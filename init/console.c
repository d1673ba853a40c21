/* The kernel's log as console: a write is a record, so lines stay whole whatever the kernel prints meanwhile. */
#include "init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"

#define KLOG_CONSOLE_LEVEL 8 /* syslog(2), SYSLOG_ACTION_CONSOLE_LEVEL */
/* Our lines have level 5 (notice). The image's own loglevel= hides the kernel's; ours always show. */
#define LEVEL_SHOWN 6
#define PREFIX "<5>postern: "

static int kmsg = -1;
static struct buffer record;

static int to_null(void)
{
    CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return -errno;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null, fd) < 0)
            return -errno;
    if (null <= STDERR_FILENO)
        (void)fd_take(&null);
    return 0;
}

int console_open(void)
{
    int r = to_null();

    if (r < 0)
        return r;
    kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (kmsg < 0)
        return -errno;
    (void)klogctl(KLOG_CONSOLE_LEVEL, NULL, LEVEL_SHOWN);
    return 0;
}

static void say(struct buffer *line)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    buffer_add_text(&text, PREFIX);
    buffer_add(&text, line->data, line->size);
    buffer_add_text(&text, "\n");
    buffer_add(&record, line->data, line->size);
    buffer_add_text(&record, "\n");
    if (buffer_error(&text) == 0 && kmsg >= 0 && fd_write_all(kmsg, text.data, text.size) < 0)
        return; /* there is no other place to say it */
}

static void begin_line(struct buffer *line, const char *stage, uint64_t begin_us, const char *outcome)
{
    uint64_t end_us = clock_boot_us();

    buffer_printf(line, "{\"postern\":1,\"stage\":\"%s\",\"at_us\":%llu,\"us\":%llu,\"outcome\":\"%s\"", stage,
                  (unsigned long long)begin_us, (unsigned long long)(end_us - begin_us), outcome);
}

static void add_text(struct buffer *line, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    buffer_printf(line, ",\"%s\":", name);
    buffer_add_json_string(line, text);
}

static void say_with_note(const char *stage, uint64_t begin_us, const char *outcome, const char *note)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    begin_line(&line, stage, begin_us, outcome);
    add_text(&line, "note", note);
    buffer_add_text(&line, "}");
    say(&line);
}

void console_stage(const char *stage, uint64_t begin_us, const char *note)
{
    say_with_note(stage, begin_us, "ok", note);
}

void console_waiting(const char *stage, uint64_t begin_us, const char *note)
{
    say_with_note(stage, begin_us, "waiting", note);
}

void console_refusal(const char *stage, uint64_t begin_us, enum refusal refusal, const char *detail,
                     const char *request_id)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    begin_line(&line, stage, begin_us, "refused");
    add_text(&line, "code", refusal_code(refusal));
    add_text(&line, "meaning", refusal_meaning(refusal));
    add_text(&line, "detail", detail);
    add_text(&line, "request", request_id);
    buffer_add_text(&line, "}");
    say(&line);
}

void console_exit(int status)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    buffer_printf(&line, "{\"postern\":1,\"stage\":\"exit\",\"at_us\":%llu,\"status\":%d}",
                  (unsigned long long)clock_boot_us(), status);
    say(&line);
}

int console_save_record(void)
{
    if (mkdir("/run/postern", 0755) < 0 && errno != EEXIST)
        return -errno;
    if (buffer_error(&record) < 0)
        return buffer_error(&record);
    return file_write(CONSOLE_RECORD_PATH, 0444, record.data, record.size, NULL);
}
