/* The kernel's log as console: a write is a record, so lines stay whole whatever the kernel prints meanwhile. */
#include "init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "init/port.h"

#define KLOG_CONSOLE_LEVEL 8 /* syslog(2), SYSLOG_ACTION_CONSOLE_LEVEL */
/* Our lines have level 5 (notice). The image's own loglevel= hides the kernel's; ours always show. */
#define LEVEL_SHOWN 6
#define PREFIX "<5>postern: "

/* A record of the kernel's log takes 1 KiB. A multiple of 3: the parts' base64 joined is that of the whole. */
#define REPORT_PART_BYTES 594u

static int kmsg = STDERR_FILENO;
static struct buffer record;

/* Without /dev/null the end of a pipe does: reading gives the end of the file, writing an error. */
static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];

    if (fd >= 0)
        return fd;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    (void)close(ends[1]);
    return ends[0];
}

static int to_null(void)
{
    CLEANUP_FD int null = open_null();

    if (null < 0)
        return null;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null, fd) < 0)
            return -errno;
    if (null <= STDERR_FILENO)
        (void)fd_take(&null);
    return 0;
}

int console_open(void)
{
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        fd = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    /* Were standard descriptors closed, the log has one of their numbers now, and /dev/null takes it. */
    kmsg = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (kmsg < 0) {
        kmsg = fd; /* which says so */
        return -errno;
    }
    fd_close(&fd);
    (void)klogctl(KLOG_CONSOLE_LEVEL, NULL, LEVEL_SHOWN);
    return to_null();
}

/* A write that fails is tried once more; there is no other place to say it. */
static void to_log(const char *text, size_t size)
{
    if (fd_write_all(kmsg, text, size) < 0 && fd_write_all(kmsg, text, size) < 0)
        return;
}

/* Without memory for the line the code alone is said, from the stack. */
static void say(struct buffer *line, const char *stage, const char *code)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char least[160];

    buffer_add_text(&text, PREFIX);
    buffer_add(&text, line->data, line->size);
    buffer_add_text(&text, "\n");
    if (buffer_error(line) == 0 && buffer_error(&text) == 0) {
        buffer_add(&record, line->data, line->size);
        buffer_add_text(&record, "\n");
        to_log((const char *)text.data, text.size);
        return;
    }
    (void)snprintf(least, sizeof(least),
                   PREFIX "{\"postern\":1,\"stage\":\"%s\",\"at_us\":%llu,\"us\":0,\"outcome\":\"%s\","
                          "\"code\":\"%s\"}\n",
                   stage, (unsigned long long)clock_boot_us(), *code ? "refused" : "ok", code);
    to_log(least, strlen(least));
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
    say(&line, stage, "");
}

void console_stage(const char *stage, uint64_t begin_us, const char *note)
{
    say_with_note(stage, begin_us, "ok", note);
}

void console_report(const uint8_t *report, size_t size)
{
    for (size_t at = 0, part = 1; at < size; at += REPORT_PART_BYTES, part++) {
        size_t length = size - at < REPORT_PART_BYTES ? size - at : REPORT_PART_BYTES;
        CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
        char text[BASE64_TEXT_BYTES(REPORT_PART_BYTES)];

        (void)EVP_EncodeBlock((unsigned char *)text, report + at, (int)length);
        begin_line(&line, "report", clock_boot_us(), "evidence");
        buffer_printf(&line, ",\"part\":%zu,\"data\":\"%s\"}", part, text);
        say(&line, "report", "");
    }
}

void console_waiting(const char *stage, uint64_t begin_us, const char *note)
{
    say_with_note(stage, begin_us, "waiting", note);
}

void console_refusal(const char *stage, uint64_t begin_us, enum refusal refusal, const char *detail,
                     const char *request_id, int status)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    begin_line(&line, stage, begin_us, "refused");
    add_text(&line, "code", refusal_code(refusal));
    add_text(&line, "meaning", refusal_meaning(refusal));
    add_text(&line, "detail", detail);
    add_text(&line, "request", request_id);
    buffer_printf(&line, ",\"status\":%d}", status ? status : refusal_status(refusal));
    say(&line, stage, refusal_code(refusal));
}

void console_exit(const struct workload_end *end)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    buffer_printf(&line,
                  "{\"postern\":1,\"stage\":\"exit\",\"at_us\":%llu,\"status\":%d,\"signal\":%d,\"oom\":%s,"
                  "\"restarts\":%u,\"asked_us\":%llu}",
                  (unsigned long long)clock_boot_us(), end->status, end->signal, end->oom ? "true" : "false",
                  end->restarts, (unsigned long long)end->asked_us);
    say(&line, "exit", "");
}

void console_tell_host(void)
{
    const char *text = (const char *)record.data, *before;

    if (!record.size || buffer_error(&record) < 0)
        return;
    before = memrchr(text, '\n', record.size - 1);
    before = before ? before + 1 : text;
    port_write_line(before, (size_t)(text + record.size - before));
}

void console_off(void)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    buffer_printf(&line, "{\"postern\":1,\"stage\":\"off\",\"at_us\":%llu}", (unsigned long long)clock_boot_us());
    say(&line, "off", "");
}

/* Three digits, which signals and system calls have at most. */
static void put_digits(char *at, unsigned number)
{
    at[0] = (char)('0' + number / 100 % 10);
    at[1] = (char)('0' + number / 10 % 10);
    at[2] = (char)('0' + number % 10);
}

_Static_assert(REFUSAL_FAULT == 27, "console_fault() has the status as text");

void console_fault(int signal, int call)
{
    static char line[] = PREFIX "{\"postern\":1,\"stage\":\"fault\",\"at_us\":0,\"us\":0,\"outcome\":\"refused\","
                                "\"code\":\"E-FAULT\",\"status\":227,\"detail\":\"signal 000, system call 000\"}\n";
    char *end = line + sizeof(line) - sizeof("\"}\n");

    put_digits(end - 3, (unsigned)call);
    put_digits(end - 3 - sizeof(", system call ") + 1 - 3, (unsigned)signal);
    if (write(kmsg, line, sizeof(line) - 1) < 0)
        return; /* there is no other place to say it */
}

int console_save_record(void)
{
    if (mkdir("/run/postern", 0755) < 0 && errno != EEXIST)
        return -errno;
    if (buffer_error(&record) < 0)
        return buffer_error(&record);
    return file_write(CONSOLE_RECORD_PATH, 0444, record.data, record.size, NULL);
}
