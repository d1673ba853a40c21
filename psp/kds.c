/* The key distribution service: requests are anybody's, answers come from the chip's directory. */
#include "psp/kds.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/http.h"
#include "base/log.h"
#include "psp/certificate.h"

#define CONNECTION_MS 5000u
#define BACKLOG 16

struct kds {
    struct chip_identity identity;
    unsigned throttle_s;
    uint64_t free_ms; /* when the next VCEK may be had */
    struct buffer chains[2], crl, vcek; /* chains: VCEK's, VLEK's */
};

static void add_bio(BIO *bio, struct buffer *to)
{
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);

    if (size > 0)
        buffer_add(to, text, (size_t)size);
}

static int load_chain(const char *directory, const char *intermediate_name, X509 *ark, struct buffer *to,
                      struct reason *why)
{
    X509 *intermediate = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int r = chip_load_certificate(directory, intermediate_name, &intermediate, why);

    if (r == 0 && bio && PEM_write_bio_X509(bio, intermediate) == 1 && PEM_write_bio_X509(bio, ark) == 1)
        add_bio(bio, to);
    BIO_free(bio);
    X509_free(intermediate);
    if (r == 0 && (buffer_error(to) < 0 || !to->size))
        r = -ENOMEM;
    return r;
}

static int load_crl(const char *directory, const char *revoked_name, X509 *ark, struct buffer *to, struct reason *why)
{
    EVP_PKEY *key = NULL;
    X509 *revoked = NULL;
    X509_CRL *crl = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int r = chip_load_key(directory, "ark.key", &key, why);

    if (r == 0 && revoked_name)
        r = chip_load_certificate(directory, revoked_name, &revoked, why);
    if (r == 0) {
        crl = certificate_make_crl(ark, key, revoked, time(NULL) - 60);
        if (!bio || !crl || i2d_X509_CRL_bio(bio, crl) != 1)
            r = reason_set(why, -EIO, "%s: the list of revoked certificates cannot be made", directory);
    }
    if (r == 0)
        add_bio(bio, to);
    X509_CRL_free(crl);
    X509_free(revoked);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return r;
}

static int load_vcek(const char *directory, struct buffer *to, struct reason *why)
{
    X509 *vcek = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int r = chip_load_certificate(directory, "vcek.pem", &vcek, why);

    if (r == 0 && (!bio || i2d_X509_bio(bio, vcek) != 1))
        r = -ENOMEM;
    if (r == 0)
        add_bio(bio, to);
    X509_free(vcek);
    BIO_free(bio);
    return r;
}

int kds_load(const char *directory, const struct chip_identity *identity, const struct kds_options *options,
             struct kds **ret_kds, struct reason *why)
{
    CLEANUP(kds_free) struct kds *kds = calloc(1, sizeof(*kds));
    X509 *ark = NULL;
    int r;

    if (!kds)
        return -ENOMEM;
    kds->identity = *identity;
    kds->throttle_s = options->throttle_s;
    r = chip_load_certificate(directory, "ark.pem", &ark, why);
    if (r == 0)
        r = load_chain(directory, "ask.pem", ark, &kds->chains[false], why);
    if (r == 0)
        r = load_chain(directory, "asvk.pem", ark, &kds->chains[true], why);
    if (r == 0)
        r = load_crl(directory, options->revoked, ark, &kds->crl, why);
    if (r == 0)
        r = load_vcek(directory, &kds->vcek, why);
    X509_free(ark);
    if (r < 0)
        return r;
    *ret_kds = kds;
    kds = NULL;
    return 0;
}

void kds_free(struct kds **kds)
{
    if (!*kds)
        return;
    buffer_free(&(*kds)->chains[0]);
    buffer_free(&(*kds)->chains[1]);
    buffer_free(&(*kds)->crl);
    buffer_free(&(*kds)->vcek);
    free(*kds);
    *kds = NULL;
}

int kds_listen(const char *address, int *ret_fd, struct reason *why)
{
    struct endpoint endpoint;
    const int on = 1;
    CLEANUP_FD int fd = -1;

    if (endpoint_parse(address, &endpoint) < 0)
        return reason_set(why, -EINVAL, "--kds \"%s\": expected an address and a port, 127.0.0.1:8080 for example",
                          address);
    fd = socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&endpoint.address, endpoint.address_size) < 0 ||
        listen(fd, BACKLOG) < 0)
        return reason_set(why, -errno, "--kds %s: cannot be listened on: %s", address, strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

static void respond(unsigned status, const char *type, unsigned retry_after_s, const void *body, size_t size,
                    struct buffer *to)
{
    buffer_printf(to, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n", status,
                  status == 200 ? "OK" : "Refused", type, size);
    if (retry_after_s)
        buffer_printf(to, "Retry-After: %u\r\n", retry_after_s);
    buffer_add_text(to, "\r\n");
    buffer_add(to, body, size);
}

static void refuse(unsigned status, unsigned retry_after_s, const char *sentence, struct buffer *to)
{
    respond(status, "text/plain", retry_after_s, sentence, strlen(sentence), to);
}

static void answer_vcek(struct kds *kds, const struct kds_query *query, struct buffer *to)
{
    int wait_ms = clock_left_ms(kds->free_ms);

    if (wait_ms) {
        refuse(429, (unsigned)(wait_ms + 999) / 1000, "too many requests", to);
        return;
    }
    kds->free_ms = clock_ms() + 1000u * kds->throttle_s;
    if (memcmp(query->chip_id, kds->identity.chip_id, CHIP_ID_BYTES) != 0 ||
        !tcb_equal(&query->tcb, &kds->identity.tcb))
        refuse(404, 0, "no such chip at this TCB", to);
    else
        respond(200, "application/pkix-cert", 0, kds->vcek.data, kds->vcek.size, to);
}

static void answer(struct kds *kds, const struct http_message *request, struct buffer *to)
{
    struct kds_query query;
    struct reason why = { "" };
    int r;

    if (strcmp(request->method, "GET") != 0) {
        refuse(405, 0, "GET alone", to);
        return;
    }
    r = kds_parse_target(request->target, &query, &why);
    if (r == 0 && query.product != kds->identity.product)
        r = reason_set(&why, -ENOENT, "this chip is a %s", product_name(kds->identity.product));
    if (r < 0)
        refuse(r == -ENOENT ? 404 : 400, 0, why.text, to);
    else if (query.what == KDS_CHAIN)
        respond(200, "application/x-pem-file", 0, kds->chains[query.vlek].data, kds->chains[query.vlek].size, to);
    else if (query.what == KDS_CRL)
        respond(200, "application/pkix-crl", 0, kds->crl.data, kds->crl.size, to);
    else
        answer_vcek(kds, &query, to);
}

/* Waits for the connection, not past the deadline nor past the end of it all. */
static bool wait_for(int fd, short events, int stop_fd, uint64_t deadline_ms)
{
    struct pollfd polled[] = { { .fd = fd, .events = events }, { .fd = stop_fd, .events = POLLIN } };

    return poll(polled, ARRAY_SIZE(polled), clock_left_ms(deadline_ms)) > 0 && !polled[1].revents;
}

static bool read_request(int fd, int stop_fd, uint64_t deadline_ms, struct http_parser *parser)
{
    uint8_t data[2048];

    for (;;) {
        ssize_t got;
        size_t used;
        int r;

        if (!wait_for(fd, POLLIN, stop_fd, deadline_ms))
            return false;
        got = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        if (got <= 0)
            return false;
        r = http_parser_feed(parser, data, (size_t)got, &used);
        if (r != 0)
            return r == 1;
    }
}

static void write_answer(int fd, int stop_fd, uint64_t deadline_ms, const struct buffer *text)
{
    size_t done = 0;

    while (done < text->size && wait_for(fd, POLLOUT, stop_fd, deadline_ms)) {
        ssize_t sent = send(fd, text->data + done, text->size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        done += (size_t)sent;
    }
    (void)shutdown(fd, SHUT_WR);
}

static void handle(struct kds *kds, struct http_parser *parser, int fd, int stop_fd)
{
    uint64_t deadline_ms = clock_ms() + CONNECTION_MS;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    http_parser_reset(parser);
    if (read_request(fd, stop_fd, deadline_ms, parser)) {
        answer(kds, &parser->message, &text);
        log_info("key distribution: %s %s", parser->message.method, parser->message.target);
    } else {
        refuse(400, 0, "no HTTP request", &text);
    }
    if (buffer_error(&text) == 0)
        write_answer(fd, stop_fd, deadline_ms, &text);
}

void kds_serve(struct kds *kds, int listen_fd, int stop_fd)
{
    CLEANUP_FREE struct http_parser *parser = calloc(1, sizeof(*parser));

    if (!parser)
        return;
    http_parser_init(parser, HTTP_REQUEST, 0);
    for (;;) {
        struct pollfd polled[] = { { .fd = listen_fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
        CLEANUP_FD int fd = -1;

        if (poll(polled, ARRAY_SIZE(polled), -1) < 0 && errno != EINTR)
            break;
        if (polled[1].revents)
            break;
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            handle(kds, parser, fd, stop_fd);
    }
    http_parser_free(parser);
}
