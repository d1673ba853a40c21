/* Lines of the log. */
#include "broker/entry.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"

const char *trust_word(bool software)
{
    return software ? "software-root" : "amd-root";
}

int entry_init(struct entry *entry, const char *peer)
{
    uint8_t id[(ENTRY_REQUEST_BYTES - 1) / 2];

    memset(entry, 0, sizeof(*entry));
    (void)clock_gettime(CLOCK_REALTIME, &entry->time);
    (void)snprintf(entry->peer, sizeof(entry->peer), "%s", peer);
    if (RAND_bytes(id, sizeof(id)) != 1)
        return -EIO;
    hex_encode(id, sizeof(id), entry->request);
    return 0;
}

uint64_t entry_ms(const struct entry *entry)
{
    return (uint64_t)entry->time.tv_sec * 1000 + (uint64_t)entry->time.tv_nsec / 1000000;
}

void entry_take_report(struct entry *entry, const struct report *report, const uint8_t digest[SHA384_BYTES])
{
    entry->has_report = true;
    memcpy(entry->measurement, report->measurement, sizeof(entry->measurement));
    memcpy(entry->report_id, report->report_id, sizeof(entry->report_id));
    memcpy(entry->chip_id, report->chip_id, sizeof(entry->chip_id));
    memcpy(entry->report_digest, digest, sizeof(entry->report_digest));
}

static void write_text(struct buffer *to, const char *name, const char *value)
{
    buffer_printf(to, ",\"%s\":", name);
    buffer_add_json_string(to, value);
}

static void write_hex(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    char text[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    hex_encode(data, size, text);
    write_text(to, name, text);
}

/* Opens the object. RFC 3339 with milliseconds. */
static void write_time(struct buffer *to, const struct timespec *time)
{
    char text[32] = "";
    struct tm parts;

    if (gmtime_r(&time->tv_sec, &parts))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_printf(to, "{\"time\":\"%s.%03ldZ\"", text, time->tv_nsec / 1000000);
}

void entry_write(const struct entry *entry, const char *trust, struct buffer *to)
{
    write_time(to, &entry->time);
    write_text(to, "request", entry->request);
    write_text(to, "peer", entry->peer);
    write_text(to, "event", entry->event);
    write_text(to, "outcome", verdict_outcome(entry->verdict));
    write_text(to, "reason", verdict_reason(entry->verdict));
    write_text(to, "trust", trust);
    if (entry->resource[0])
        write_text(to, "resource", entry->resource);
    if (entry->version)
        buffer_printf(to, ",\"version\":%llu", (unsigned long long)entry->version);
    if (entry->generation)
        buffer_printf(to, ",\"generation\":%llu,\"live\":%u", (unsigned long long)entry->generation, entry->live);
    if (entry->epoch)
        buffer_printf(to, ",\"epoch\":%llu", (unsigned long long)entry->epoch);
    if (entry->has_report) {
        write_hex(to, "measurement", entry->measurement, sizeof(entry->measurement));
        write_hex(to, "report_id", entry->report_id, sizeof(entry->report_id));
        write_hex(to, "chip_id", entry->chip_id, sizeof(entry->chip_id));
        write_hex(to, "report", entry->report_digest, sizeof(entry->report_digest));
    }
    if (entry->has_policy)
        write_hex(to, "policy", entry->policy_digest, sizeof(entry->policy_digest));
    if (entry->decision.count) {
        buffer_add_text(to, ",\"checks\":");
        policy_write_checks(&entry->decision, to);
    }
    if (entry->detail.text[0])
        write_text(to, "detail", entry->detail.text);
    buffer_add_text(to, "}");
}

void entry_write_note(const char *event, const char *trust, const char *detail, struct buffer *to)
{
    struct timespec time = { 0, 0 };

    (void)clock_gettime(CLOCK_REALTIME, &time);
    write_time(to, &time);
    write_text(to, "event", event);
    write_text(to, "trust", trust);
    write_text(to, "detail", detail);
    buffer_add_text(to, "}");
}

void entry_write_change(const struct entry *entry, const char *event, unsigned uid, const char *resource,
                        const char *detail, struct buffer *to)
{
    write_time(to, &entry->time);
    write_text(to, "request", entry->request);
    write_text(to, "event", event);
    buffer_printf(to, ",\"uid\":%u", uid);
    write_text(to, "resource", resource);
    if (detail)
        write_text(to, "detail", detail);
    buffer_add_text(to, "}");
}
