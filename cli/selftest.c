/* The file of a self-test, as text. */
#include "cli/selftest.h"

#include <string.h>

#include "base/encode.h"
#include "attest/report.h"

/* Lines of the guest's boot record and the launcher's of that form; what else was on the console is left out. */
static void add_record(const char *console, size_t size, struct buffer *to)
{
    static const char *const marks[] = { "postern: {", BOOT_RECORD_HOST_MARK "{" };
    CLEANUP_BUFFER struct buffer lines = BUFFER_EMPTY;
    const char *at = console, *end = console + size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at), kept = length;

        while (kept && at[kept - 1] == '\r')
            kept--;
        for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
            const char *mark = memmem(at, kept, marks[i], strlen(marks[i]));

            if (!mark)
                continue;
            buffer_add(&lines, mark, (size_t)(at + kept - mark));
            buffer_add_text(&lines, "\n");
            break;
        }
        at += length + 1;
    }
    buffer_add_json_string(to, buffer_error(&lines) < 0 ? "" : buffer_text(&lines));
}

void selftest_write(const struct selftest *selftest, const struct host_report *host, const char *console, size_t size,
                    struct buffer *to)
{
    char predicted[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], measured[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    char report[BASE64_TEXT_BYTES(REPORT_BYTES)];
    struct report parsed = { .version = 0 };

    (void)!report_parse(selftest->report, REPORT_BYTES, &parsed, NULL);
    hex_encode(selftest->predicted, LAUNCH_DIGEST_BYTES, predicted);
    hex_encode(parsed.measurement, LAUNCH_DIGEST_BYTES, measured);
    (void)base64_encode(BASE64_STANDARD, selftest->report, REPORT_BYTES, report);
    buffer_printf(to, "{\"postern_selftest\":%u,\n\"processor\":\"%s\",\n\"vcpus\":%llu,\n\"vcpu_type\":",
                  SELFTEST_VERSION, selftest->software ? "software" : "hardware", (unsigned long long)selftest->vcpus);
    buffer_add_json_string(to, selftest->vcpu_type);
    buffer_printf(to, ",\n\"guest_features\":%llu,\n\"predicted\":\"%s\",\n\"measured\":\"%s\",\n\"report\":\"%s\",\n",
                  (unsigned long long)selftest->features, predicted, measured, report);
    if (selftest->certificates) {
        buffer_add_text(to, "\"certificates\":");
        buffer_add_json_string(to, selftest->certificates);
        buffer_add_text(to, ",\n");
    }
    if (host) {
        buffer_add_text(to, "\"host\":");
        host_write_checks(host, to);
        buffer_add_text(to, ",\n");
    }
    buffer_add_text(to, "\"console\":");
    add_record(console, size, to);
    buffer_add_text(to, "}\n");
}
