/* What the file of a self-test says: JSON by anybody. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/report.h"
#include "base/encode.h"
#include "base/json.h"
#include "cli/selftest.h"

#define PEM_MAX_BYTES (128u * 1024)
#define CONSOLE_MAX_BYTES (128u * 1024)

static void read_processor(struct json_reader *reader, bool *ret_software)
{
    const char *text = "";

    if (!json_read_string(reader, "processor", JSON_REQUIRED, 16, &text))
        return;
    *ret_software = strcmp(text, "software") == 0;
    if (!*ret_software && strcmp(text, "hardware") != 0)
        json_refuse(reader, "processor", "expected hardware or software");
}

static void read_type(struct json_reader *reader, char *to, size_t room)
{
    const char *text = "";

    if (json_read_string(reader, "vcpu_type", JSON_REQUIRED, room - 1, &text))
        memcpy(to, text, strlen(text) + 1);
}

/* What is written for readers must be what the report says. */
static void read_report(struct json_reader *reader, struct selftest *selftest)
{
    uint8_t measured[LAUNCH_DIGEST_BYTES] = { 0 };
    struct reason why = { "" };
    struct report report;
    size_t size = 0;

    (void)json_read_hex(reader, "measured", JSON_REQUIRED, measured, sizeof(measured));
    if (!json_read_base64(reader, "report", JSON_REQUIRED, BASE64_STANDARD, selftest->report, REPORT_BYTES, &size))
        return;
    if (size != REPORT_BYTES)
        json_refuse(reader, "report", "%zu bytes, a report has %u", size, REPORT_BYTES);
    else if (report_parse(selftest->report, size, &report, &why) < 0)
        json_refuse(reader, "report", "%s", why.text);
    else if (!reader->status->error && memcmp(measured, report.measurement, sizeof(measured)) != 0)
        json_refuse(reader, "measured", "is not the report's MEASUREMENT");
}

static void read_texts(struct json_reader *reader, struct selftest *selftest)
{
    const char *certificates = NULL, *console = "";

    if (json_read_string(reader, "certificates", JSON_OPTIONAL, PEM_MAX_BYTES, &certificates)) {
        selftest->certificates = strdup(certificates);
        if (!selftest->certificates && !reader->status->error)
            reader->status->error = -ENOMEM;
    }
    if (json_read_string(reader, "console", JSON_REQUIRED, CONSOLE_MAX_BYTES, &console))
        boot_record_add_all(&selftest->record, console, strlen(console));
}

int selftest_parse(const void *text, size_t size, struct selftest *ret_selftest, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    uint64_t version;
    int r;

    *ret_selftest = (struct selftest){ .certificates = NULL };
    r = json_parse(text, size, SELFTEST_MAX_BYTES, &root, why);
    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    (void)json_read_u64(&reader, "postern_selftest", JSON_REQUIRED, SELFTEST_VERSION, SELFTEST_VERSION, &version);
    read_processor(&reader, &ret_selftest->software);
    (void)json_read_u64(&reader, "vcpus", JSON_REQUIRED, 1, UINT32_MAX, &ret_selftest->vcpus);
    read_type(&reader, ret_selftest->vcpu_type, sizeof(ret_selftest->vcpu_type));
    (void)json_read_u64(&reader, "guest_features", JSON_REQUIRED, 0, UINT64_MAX, &ret_selftest->features);
    (void)json_read_hex(&reader, "predicted", JSON_REQUIRED, ret_selftest->predicted, LAUNCH_DIGEST_BYTES);
    read_report(&reader, ret_selftest);
    read_texts(&reader, ret_selftest);
    json_ignore(&reader, "host"); /* for those who read the file: nothing is decided by it */
    json_read_done(&reader);
    return status.error;
}

void selftest_free(struct selftest *selftest)
{
    free(selftest->certificates);
    selftest->certificates = NULL;
}
