/* The client side of TLS. Network and peer are hostile until the pinned key has signed the handshake. */
#include "base/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    struct tls_peer peer;
    bool key_rejected;
};

int tls_pin_of(const void *certificate, uint8_t ret_pin[TLS_PIN_BYTES])
{
    const X509_PUBKEY *key = X509_get_X509_PUBKEY((const X509 *)certificate);
    unsigned char *der = NULL;
    unsigned size = TLS_PIN_BYTES;
    int der_size = key ? i2d_X509_PUBKEY(key, &der) : -1;
    int ok = der_size > 0 && EVP_Digest(der, (size_t)der_size, ret_pin, &size, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return ok ? 0 : -EBADMSG;
}

/* Takes the place of OpenSSL's chain building: the leaf's key is pinned or the handshake ends here. */
static int verify_pin(X509_STORE_CTX *store, void *argument)
{
    struct tls_client *client = argument;
    uint8_t pin[TLS_PIN_BYTES];
    X509 *leaf = X509_STORE_CTX_get0_cert(store);

    if (leaf && tls_pin_of(leaf, pin) == 0)
        for (size_t i = 0; i < client->peer.pin_count; i++)
            if (memcmp(pin, client->peer.pins[i], sizeof(pin)) == 0)
                return 1;
    client->key_rejected = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* Waits until the socket is ready for `events`, at most until the deadline, and not at all after it. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };

    for (;;) {
        int left = clock_left_ms(deadline_ms), r = left ? poll(&poll_fd, 1, left) : 0;

        if (r > 0)
            return 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int connect_socket(const struct endpoint *to, uint64_t deadline_ms, int *ret_fd)
{
    CLEANUP_FD int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    const int on = 1;
    int error = 0, r;
    socklen_t size = sizeof(error);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&to->address, to->address_size) < 0) {
        if (errno != EINPROGRESS)
            return -errno;
        r = wait_for(fd, POLLOUT, deadline_ms);
        if (r < 0)
            return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            return -errno;
        if (error)
            return -error;
    }
    *ret_fd = fd_take(&fd);
    return 0;
}

/* After an SSL call that gave `result`: 0 to try again, or what ended the connection. */
static int wait_or_fail(struct tls_client *client, int result, uint64_t deadline_ms)
{
    int saved = errno, error = SSL_get_error(client->ssl, result);

    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return wait_for(client->fd, POLLIN, deadline_ms);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(client->fd, POLLOUT, deadline_ms);
    case SSL_ERROR_SYSCALL:
        return saved ? -saved : -ECONNRESET;
    case SSL_ERROR_ZERO_RETURN:
        return -ECONNRESET;
    default:
        return -EPROTO;
    }
}

static int set_up(struct tls_client *client)
{
    client->context = SSL_CTX_new(TLS_client_method());
    if (!client->context)
        return -ENOMEM;
    SSL_CTX_set_cert_verify_callback(client->context, verify_pin, client);
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(client->context, 0);
    if (SSL_CTX_set_min_proto_version(client->context, TLS1_3_VERSION) != 1)
        return -EPROTO;
    client->ssl = SSL_new(client->context);
    if (!client->ssl || SSL_set_fd(client->ssl, client->fd) != 1 ||
        (client->peer.endpoint.name[0] && SSL_set_tlsext_host_name(client->ssl, client->peer.endpoint.name) != 1))
        return -ENOMEM;
    return 0;
}

static int handshake(struct tls_client *client, uint64_t deadline_ms)
{
    int r = 0;

    while (r == 0) {
        int result;

        ERR_clear_error();
        errno = 0;
        result = SSL_connect(client->ssl);
        if (result == 1)
            return 0;
        r = wait_or_fail(client, result, deadline_ms);
    }
    return client->key_rejected ? -EKEYREJECTED : r;
}

int tls_client_connect(const struct tls_peer *peer, uint64_t deadline_ms, struct tls_client **ret_client,
                       struct reason *why)
{
    CLEANUP(tls_client_free) struct tls_client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    client->fd = -1;
    client->peer = *peer;
    r = connect_socket(&peer->endpoint, deadline_ms, &client->fd);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be reached: %s", peer->endpoint.authority, strerror(-r));
    r = set_up(client);
    if (r == 0)
        r = handshake(client, deadline_ms);
    if (r == -EKEYREJECTED)
        return reason_set(why, r, "%s: holds another key than the pinned one", peer->endpoint.authority);
    if (r < 0)
        return reason_set(why, r, "%s: TLS 1.3 handshake failed: %s", peer->endpoint.authority, strerror(-r));
    *ret_client = client;
    client = NULL;
    return 0;
}

static int send_all(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms)
{
    size_t done = 0;

    while (done < request->size) {
        size_t wrote = 0;
        int result, r;

        ERR_clear_error();
        errno = 0;
        result = SSL_write_ex(client->ssl, request->data + done, request->size - done, &wrote);
        if (result == 1) {
            done += wrote;
            continue;
        }
        r = wait_or_fail(client, result, deadline_ms);
        if (r < 0)
            return r;
    }
    return 0;
}

static int receive(struct tls_client *client, uint64_t deadline_ms, struct http_parser *parser, uint8_t *data,
                   size_t room)
{
    for (;;) {
        size_t got = 0, used = 0;
        int result, r;

        ERR_clear_error();
        errno = 0;
        result = SSL_read_ex(client->ssl, data, room, &got);
        if (result != 1) {
            r = wait_or_fail(client, result, deadline_ms);
            if (r < 0)
                return r;
            continue;
        }
        r = http_parser_feed(parser, data, got, &used);
        if (r < 0)
            return r;
        if (r == 1)
            return used == got ? 0 : -EBADMSG; /* one response to one request */
        if (!clock_left_ms(deadline_ms))
            return -ETIMEDOUT;
    }
}

int tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                        struct http_parser *parser, struct reason *why)
{
    int r = buffer_error(request);
    uint8_t data[4096];

    if (r < 0)
        return r;
    r = send_all(client, request, deadline_ms);
    if (r == 0)
        r = receive(client, deadline_ms, parser, data, sizeof(data));
    OPENSSL_cleanse(data, sizeof(data)); /* cookies */
    if (r == -EBADMSG || r == -EMSGSIZE)
        return reason_set(why, r, "%s: sent a response that is %s", client->peer.endpoint.authority,
                          r == -EMSGSIZE ? "too large" : "not acceptable HTTP/1.1");
    if (r < 0)
        return reason_set(why, r, "%s: connection failed: %s", client->peer.endpoint.authority, strerror(-r));
    return 0;
}

void tls_client_free(struct tls_client **client)
{
    if (!*client)
        return;
    if ((*client)->ssl) {
        (void)SSL_shutdown((*client)->ssl);
        SSL_free((*client)->ssl);
        ERR_clear_error();
    }
    SSL_CTX_free((*client)->context);
    fd_close(&(*client)->fd);
    free(*client);
    *client = NULL;
}
