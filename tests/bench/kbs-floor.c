/*
 * The least that any broker has to do for a release, and nothing else: a TLS 1.3 handshake, one P-384 verification, one
 * P-256 key and agreement, one P-384 signature, one row of SQLite in a group commit that waits for the disk.
 *
 *     kbs-floor KEY CERTIFICATE PORT DATABASE
 *
 * Answers every HTTP request with an empty 200, after all of that, until SIGTERM.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WAITING 2048

static struct event_base *base;
static struct event *commit_event;
static SSL_CTX *tls;
static EVP_PKEY *signer, *peer;
static uint8_t message[672], signature[128];
static size_t signature_size;
static sqlite3 *database;
static sqlite3_stmt *insert;
static struct bufferevent *waiting[MAX_WAITING];
static size_t waiting_count;

static void __attribute__((noreturn)) die(const char *what)
{
    (void)fprintf(stderr, "kbs-floor: %s\n", what);
    exit(1);
}

static void run(const char *text)
{
    if (sqlite3_exec(database, text, NULL, NULL, NULL) != SQLITE_OK)
        die(text);
}

static bool sign(uint8_t *to, size_t *size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, signer) == 1 &&
                EVP_DigestSign(context, to, size, message, sizeof(message)) == 1;

    EVP_MD_CTX_free(context);
    return good;
}

static bool verify(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, signer) == 1 &&
                EVP_DigestVerify(context, signature, signature_size, message, sizeof(message)) == 1;

    EVP_MD_CTX_free(context);
    return good;
}

static bool agree(void)
{
    EVP_PKEY *own = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    uint8_t shared[32];
    size_t size = sizeof(shared);
    bool good = EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                EVP_PKEY_derive(context, shared, &size) == 1;

    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(own);
    return good;
}

static void on_commit(evutil_socket_t fd, short events, void *argument)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    (void)fd;
    (void)events;
    (void)argument;
    run("COMMIT");
    for (size_t i = 0; i < waiting_count; i++)
        (void)bufferevent_write(waiting[i], answer, strlen(answer));
    waiting_count = 0;
}

static void on_input(struct bufferevent *stream, void *argument)
{
    struct evbuffer *input = bufferevent_get_input(stream);
    uint8_t made[128];
    size_t size = sizeof(made);

    (void)argument;
    if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos < 0)
        return;
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    if (!verify() || !agree() || !sign(made, &size) || waiting_count == MAX_WAITING)
        die("crypto");
    if (!waiting_count)
        run("BEGIN IMMEDIATE");
    (void)sqlite3_bind_blob(insert, 1, made, (int)size, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE)
        die("insert");
    (void)sqlite3_reset(insert);
    waiting[waiting_count++] = stream;
    event_active(commit_event, EV_TIMEOUT, 1);
}

static void on_event(struct bufferevent *stream, short events, void *argument)
{
    (void)argument;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(stream);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *argument)
{
    struct bufferevent *stream =
        bufferevent_openssl_socket_new(base, fd, SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING,
                                       BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);

    (void)listener;
    (void)address;
    (void)size;
    (void)argument;
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    bufferevent_setcb(stream, on_input, NULL, on_event, NULL);
    (void)bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static void open_tls(const char *key, const char *certificate)
{
    tls = SSL_CTX_new(TLS_server_method());
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(tls, 0) != 1 ||
        SSL_CTX_use_certificate_file(tls, certificate, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        die("key and certificate");
}

static void open_database(const char *path)
{
    if (sqlite3_open(path, &database) != SQLITE_OK)
        die(path);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, data BLOB)");
    if (sqlite3_prepare_v2(database, "INSERT INTO row (data) VALUES (?1)", -1, &insert, NULL) != SQLITE_OK)
        die("insert");
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };

    if (argc != 5)
        die("usage: kbs-floor KEY CERTIFICATE PORT DATABASE");
    (void)signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    open_tls(argv[1], argv[2]);
    open_database(argv[4]);
    signer = EVP_EC_gen("P-384");
    peer = EVP_EC_gen("P-256");
    signature_size = sizeof(signature);
    if (!sign(signature, &signature_size))
        die("crypto");
    commit_event = event_new(base, -1, 0, on_commit, NULL);
    at.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
                                 (struct sockaddr *)&at, sizeof(at)))
        die("port");
    (void)event_base_dispatch(base);
    return 0;
}
