/* The key distribution service's URLs, and curl as its client. What comes back is hostile; llhttp reads it. */
#include "cli/kds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/http.h"
#include "base/log.h"
#include "cli/child.h"

/* The service gives one VCEK in about ten seconds to one client. */
#define WAIT_DEFAULT_S 10u
#define WAIT_MAX_S 3600u
#define TURIN_HWID_BYTES 8u
#define CURL_GRACE_MS 200u

enum product kds_product_from_name(const char *name)
{
    if (strcasecmp(name, "Bergamo") == 0 || strcasecmp(name, "Siena") == 0)
        return PRODUCT_GENOA;
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (strcasecmp(name, product_name(product)) == 0)
            return product;
    return PRODUCT_UNKNOWN;
}

static void write_hwid(const struct kds_request *request, struct buffer *to)
{
    size_t size = request->product == PRODUCT_TURIN ? TURIN_HWID_BYTES : CHIP_ID_BYTES;
    char text[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    hex_encode(request->report->chip_id, size, text);
    buffer_add_text(to, text);
}

/* Schemes and hosts are the user's to name; white space and control characters are nobody's. */
static bool is_base(const char *base)
{
    if (strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0)
        return false;
    for (const char *c = base; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"<>\\^`{|}?#", *c))
            return false;
    return true;
}

int kds_write_url(const char *base, const struct kds_request *request, struct buffer *to, struct reason *why)
{
    struct tcb tcb;
    size_t size = strlen(base);

    if (!is_base(base))
        return reason_set(why, -EINVAL, "--kds \"%s\": expected http:// or https:// and a host", base);
    while (size && base[size - 1] == '/')
        size--;
    buffer_printf(to, "%.*s/%s/v1/%s/", (int)size, base, request->vlek ? "vlek" : "vcek",
                  product_name(request->product));
    if (request->item != KDS_ITEM_VCEK) {
        buffer_add_text(to, request->item == KDS_ITEM_CHAIN ? "cert_chain" : "crl");
        return buffer_error(to);
    }
    if (report_signing_key(request->report) != SIGNING_KEY_VCEK)
        return reason_set(why, -EINVAL, "the report is not signed by a VCEK; a VLEK's certificate comes with the "
                          "report (postern certificates), its chain from `postern fetch vlek-ca`");
    if (all_zero(request->report->chip_id, CHIP_ID_BYTES))
        return reason_set(why, -EINVAL, "the report's chip id is masked: no certificate can be asked for with it");
    tcb = tcb_decode(request->product, request->report->reported_tcb);
    write_hwid(request, to);
    buffer_add_text(to, "?");
    if (request->product == PRODUCT_TURIN)
        buffer_printf(to, "fmcSPL=%02u&", tcb.fmc);
    buffer_printf(to, "blSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u", tcb.bootloader, tcb.tee, tcb.snp,
                  tcb.microcode);
    return buffer_error(to);
}

void kds_write_cache_path(const struct kds_request *request, struct buffer *to)
{
    struct tcb tcb;

    buffer_printf(to, "%s/", request->vlek ? "vlek" : "vcek");
    if (request->item != KDS_ITEM_VCEK) {
        buffer_printf(to, "%s/%s", product_name(request->product),
                      request->item == KDS_ITEM_CHAIN ? "cert_chain.pem" : "crl.der");
        return;
    }
    tcb = tcb_decode(request->product, request->report->reported_tcb);
    write_hwid(request, to);
    buffer_printf(to, "/bl%02u_tee%02u_snp%02u_ucode%02u", tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode);
    if (request->product == PRODUCT_TURIN)
        buffer_printf(to, "_fmc%02u", tcb.fmc);
    buffer_add_text(to, "_vcek.der");
}

/* curl's exit codes that users meet (curl(1)). */
static const char *curl_text(int code)
{
    switch (code) {
    case 5:
        return "the proxy's name cannot be resolved";
    case 6:
        return "its name cannot be resolved";
    case 7:
        return "it cannot be reached";
    case 28:
        return "no answer in time";
    case 35:
        return "no TLS connection";
    case 60:
        return "its TLS certificate is not one that this machine trusts";
    case 77:
        return "this machine has no store of TLS certificates";
    default:
        return "the connection failed";
    }
}

/* The answer as curl passes it on, until it is whole or must not go on. */
static int read_answer(int fd, uint64_t deadline_ms, struct http_parser *parser)
{
    uint8_t data[4096];

    for (;;) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };
        ssize_t got;
        size_t used;
        int r = poll(&polled, 1, clock_left_ms(deadline_ms));

        if (r == 0)
            return -ETIMEDOUT;
        got = r > 0 ? read(fd, data, sizeof(data)) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -ENODATA;
        r = http_parser_feed(parser, data, (size_t)got, &used);
        if (r < 0)
            return r;
        if (r == 1)
            return used == (size_t)got ? 0 : -EBADMSG;
    }
}

/* One exchange: raw HTTP/1.1 out of curl into the parser. curl's own settings file is left out, redirects are none. */
static int exchange(const char *url, uint64_t deadline_ms, struct http_parser *parser, struct reason *why)
{
    CLEANUP_FD int read_end = -1;
    CLEANUP_FD int write_end = -1;
    char seconds[16];
    const char *const words[] = { "curl", "-q", "-s", "-g", "-i", "--raw", "--http1.1", "--suppress-connect-headers",
                                  "--proto", "=http,https", "--max-redirs", "0", "--max-time", seconds, "--", url,
                                  NULL };
    struct child_start start = { .words = words, .keep = { -1, -1 } };
    int fds[2], r, status;
    pid_t pid = 0;

    (void)snprintf(seconds, sizeof(seconds), "%d", clock_left_ms(deadline_ms) / 1000 + 1);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_end = fds[0];
    write_end = fds[1];
    start.output = write_end;
    r = child_run(&start, &pid, why);
    if (r < 0)
        return reason_set(why, r, "curl cannot be run (%s): install it, or fetch the URL by other means: %s",
                          strerror(-r), url);
    fd_close(&write_end);
    r = read_answer(read_end, deadline_ms, parser);
    if (r == -ENODATA) {
        status = child_wait(pid);
        return reason_set(why, -EIO, "%s: %s", url,
                          curl_text(status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1));
    }
    child_end(&pid, CURL_GRACE_MS);
    if (r == -ETIMEDOUT)
        return reason_set(why, r, "%s: no answer in time", url);
    if (r < 0)
        return reason_set(why, r, "%s: the answer is %s", url,
                          r == -EMSGSIZE ? "too large" : "not acceptable HTTP/1.1");
    return 0;
}

/* Retry-After in seconds; dates and nonsense count as not said. */
static unsigned wait_seconds(const struct http_message *message)
{
    const char *text = http_header(message, "retry-after");
    unsigned seconds = 0;

    if (!text || !*text || strspn(text, "0123456789") != strlen(text))
        return WAIT_DEFAULT_S;
    for (; *text && seconds <= WAIT_MAX_S; text++)
        seconds = seconds * 10 + (unsigned)(*text - '0');
    return seconds > WAIT_MAX_S ? WAIT_MAX_S : seconds ? seconds : 1;
}

/* After an answer other than 200: 0 to try again, later. */
static int judge(const char *url, const struct http_message *message, uint64_t deadline_ms, struct reason *why)
{
    unsigned seconds;

    if (message->status == 404 || message->status == 400)
        return reason_set(why, -ENOENT, "%s: the service has no such thing (HTTP %u)", url, message->status);
    if (message->status != 429 && message->status != 503)
        return reason_set(why, -EIO, "%s: the service answered with HTTP %u", url, message->status);
    seconds = wait_seconds(message);
    if (1000u * seconds >= (unsigned)clock_left_ms(deadline_ms))
        return reason_set(why, -EBUSY, "%s: the service asks to wait %u s (HTTP %u), beyond the deadline; --deadline "
                          "gives it more time, --cache asks it less often", url, seconds, message->status);
    log_info("the service asks to wait %u s (HTTP %u)", seconds, message->status);
    clock_sleep_ms(1000u * seconds);
    return 0;
}

int kds_get(const char *url, uint64_t deadline_ms, struct buffer *ret_body, struct reason *why)
{
    CLEANUP_FREE struct http_parser *parser = calloc(1, sizeof(*parser));
    int r = 0;

    if (!parser)
        return -ENOMEM;
    http_parser_init(parser, HTTP_RESPONSE, KDS_MAX_BYTES);
    while (r == 0) {
        http_parser_reset(parser);
        r = exchange(url, deadline_ms, parser, why);
        if (r < 0)
            break;
        if (parser->message.status == 200) {
            buffer_add(ret_body, parser->message.body.data, parser->message.body.size);
            r = buffer_error(ret_body);
            break;
        }
        r = judge(url, &parser->message, deadline_ms, why);
    }
    http_parser_free(parser);
    return r;
}
