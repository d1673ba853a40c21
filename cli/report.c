/* postern report: a report over bytes that somebody chose, for debug images. */
#include "cli/cli.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"

#define REQUEST_MS 90000u

struct options {
    const char *report_path, *request_path;
    bool random, has_nonce, json;
    uint64_t vmpl;
    uint8_t request[REPORT_DATA_BYTES];
};

/* The 64 bytes of the request: made here, given on the command line, or out of the file. */
static int take_request(struct options *o, struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0;
    int r;

    if (o->random)
        return RAND_bytes(o->request, sizeof(o->request)) == 1 ? 0 : -EIO;
    if (o->has_nonce)
        return 0;
    r = file_read(o->request_path, PAGE_BYTES, &data, &size, why);
    if (r == -EFBIG || (r == 0 && size != REPORT_DATA_BYTES))
        return reason_set(why, -EINVAL, "%s: %s, expected a request file of %u bytes; --random makes one",
                          o->request_path, r < 0 ? "too large" : "another size", REPORT_DATA_BYTES);
    if (r == 0)
        memcpy(o->request, data, sizeof(o->request));
    return r;
}

static void print_json(const struct options *o, const struct device_report *answer)
{
    char report_data[HEX_TEXT_BYTES(REPORT_DATA_BYTES)];

    hex_encode(o->request, sizeof(o->request), report_data);
    printf("{\"back_end\":\"%s\",\"certificates\":%s,\"report_data\":\"%s\"}\n", device_back_end_name(answer->back_end),
           answer->certificates_size ? "true" : "false", report_data);
}

static int write_files(const struct options *o, const struct device_report *answer, struct reason *why)
{
    int r = file_write(o->report_path, 0644, answer->report, sizeof(answer->report), why);

    if (r < 0 || !(o->random || o->has_nonce))
        return r;
    r = file_write(o->request_path, 0644, o->request, sizeof(o->request), why);
    if (r < 0)
        (void)unlink(o->report_path);
    return r;
}

static int get(struct options *o)
{
    CLEANUP_FREE struct device_report *answer = malloc(sizeof(*answer));
    struct device_request request = { .purpose = PURPOSE_CHOSEN, .vmpl = (uint32_t)o->vmpl };
    struct reason why = { "" };
    int r = answer ? take_request(o, &why) : -ENOMEM;

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    request.data = o->request;
    request.size = sizeof(o->request);
    r = device_get_report(&request, NULL, clock_ms() + REQUEST_MS, answer, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return r == -EPERM || r == -EINVAL ? COMMAND_MISUSE : EXIT_DEVICE;
    }
    r = write_files(o, answer, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (answer->back_end == DEVICE_IOCTL)
        log_info("%s", answer->passed_over.text);
    log_info("report by %s; a tool for debug images: no broker releases a key for it",
             device_back_end_name(answer->back_end));
    if (o->json)
        print_json(o, answer);
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o = { .vmpl = 1 };
    const char *words[2];
    const struct option_row rows[] = {
        OPTION("random", NULL, "make the request: 64 random bytes, written to REQUEST", OPTION_FLAG, &o.random,
               .letter = 'r'),
        OPTION("nonce", "HEX128", "the request's 64 bytes, written to REQUEST", OPTION_HEX, o.request,
               .size = sizeof(o.request), .given = &o.has_nonce),
        OPTION("vmpl", "N", "privilege level, 0 to 3 (default 1)", OPTION_U64, &o.vmpl, .max = DEVICE_VMPL_MAX,
               .letter = 'v'),
        OPTION("json", NULL, "print what was done as JSON", OPTION_FLAG, &o.json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, ARRAY_SIZE(words));

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    o.report_path = words[0];
    o.request_path = words[1];
    if (!o.request_path || (o.random && o.has_nonce)) {
        log_error(o.request_path ? "--random and --nonce: expected one of them, found both" :
                                   "which files? usage: postern report OUT REQUEST [OPTION…]");
        return COMMAND_MISUSE;
    }
    return get(&o);
}

const struct command verb_report = {
    .program = "postern",
    .name = "report",
    .summary = "Asks this guest's secure processor for a report over the 64 bytes of REQUEST and writes its 1184\n"
               "bytes to OUT. For debug images: bytes that end as those of Postern's own purposes do are refused.",
    .usage = "OUT REQUEST [OPTION…]",
    .example = "  postern report report.bin request-file.txt --random\n",
    .run = run,
};
