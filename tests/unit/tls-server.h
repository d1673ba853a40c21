/*
 * A TLS server of OpenSSL in a forked process, for tests of the client: one connection, one behaviour, and a shared
 * record of what it saw.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/endpoint.h"

/* What the server's process tells the test. */
struct tls_seen {
    int handshake;         /* 1 when it was completed */
    char group[32];        /* of the key exchange */
    char name[64];         /* that the client asked for */
    size_t bytes;          /* application data received */
    uint8_t request[4096]; /* the first of them */
};

struct tls_server {
    EVP_PKEY *key;
    X509 *certificate, *extra; /* extra: one more certificate behind the leaf, or NULL */
    int max_version;           /* TLS1_3_VERSION by default */
    /* After the handshake; NULL: say nothing until the client goes away. */
    void (*talk)(SSL *ssl, int fd, struct tls_seen *seen);
    /* In place of the handshake. */
    void (*instead)(int fd, struct tls_seen *seen);

    struct tls_seen *seen;
    struct endpoint endpoint;
    pid_t process;
};

static inline EVP_PKEY *tls_make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

/* A self-signed certificate, valid from `from` to `to` seconds from the present. */
static inline X509 *tls_make_certificate(EVP_PKEY *key, long from, long to)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();

    assert_true(certificate && name && X509_set_version(certificate, X509_VERSION_3) == 1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"somebody", -1, -1, 0), 1);
    assert_true(X509_set_subject_name(certificate, name) == 1 && X509_set_issuer_name(certificate, name) == 1);
    X509_NAME_free(name);
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    assert_true(X509_gmtime_adj(X509_getm_notBefore(certificate), from) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), to));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* Receives until the client has closed, counting. */
static inline void tls_drain(SSL *ssl, struct tls_seen *seen)
{
    uint8_t data[4096];
    size_t got;

    while (SSL_read_ex(ssl, data, sizeof(data), &got) == 1) {
        for (size_t i = 0; i < got && seen->bytes + i < sizeof(seen->request); i++)
            seen->request[seen->bytes + i] = data[i];
        seen->bytes += got;
    }
}

/* Receives one request without a body. */
static inline void tls_take_request(SSL *ssl, struct tls_seen *seen)
{
    size_t got;

    while (seen->bytes < sizeof(seen->request) - 1 && !strstr((const char *)seen->request, "\r\n\r\n") &&
           SSL_read_ex(ssl, seen->request + seen->bytes, sizeof(seen->request) - 1 - seen->bytes, &got) == 1)
        seen->bytes += got;
}

static inline void tls_say(SSL *ssl, const char *text)
{
    size_t wrote;

    (void)SSL_write_ex(ssl, text, strlen(text), &wrote);
}

static inline void tls_serve(const struct tls_server *server, int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl;

    if (!context || SSL_CTX_use_certificate(context, server->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, server->key) != 1 ||
        SSL_CTX_set_max_proto_version(context, server->max_version) != 1)
        _exit(1);
    if (server->extra && SSL_CTX_add1_chain_cert(context, server->extra) != 1)
        _exit(1);
    ssl = SSL_new(context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        _exit(1);
    if (SSL_accept(ssl) == 1) {
        server->seen->handshake = 1;
        (void)snprintf(server->seen->name, sizeof(server->seen->name), "%s",
                       SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : "");
        (void)snprintf(server->seen->group, sizeof(server->seen->group), "%s", SSL_get0_group_name(ssl));
        if (server->talk)
            server->talk(ssl, fd, server->seen);
        else
            tls_drain(ssl, server->seen);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* Listens on 127.0.0.1, forks, and serves one connection there. The fields above `seen` are set by the caller. */
static inline void tls_server_start(struct tls_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[32];

    assert_true(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(endpoint_parse(text, &server->endpoint), 0);
    if (!server->max_version)
        server->max_version = TLS1_3_VERSION;
    server->seen = mmap(NULL, sizeof(*server->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(server->seen != MAP_FAILED);
    (void)fflush(NULL);
    server->process = fork();
    assert_true(server->process >= 0);
    if (server->process == 0) {
        int fd = accept(listener, NULL, NULL);

        (void)signal(SIGPIPE, SIG_IGN);
        (void)alarm(60); /* whatever happens to the test */
        if (fd >= 0 && server->instead)
            server->instead(fd, server->seen);
        else if (fd >= 0)
            tls_serve(server, fd);
        _exit(0);
    }
    assert_int_equal(close(listener), 0);
}

/* Waits for the end of the server; what it has seen is complete then. */
static inline void tls_server_wait(struct tls_server *server)
{
    int status;

    assert_int_equal(waitpid(server->process, &status, 0), server->process);
    server->process = 0;
}

/* For a server that would not end by itself. */
static inline void tls_server_stop(struct tls_server *server)
{
    assert_int_equal(kill(server->process, SIGKILL), 0);
    tls_server_wait(server);
}

static inline void tls_server_free(struct tls_server *server)
{
    assert_int_equal(munmap(server->seen, sizeof(*server->seen)), 0);
}
