/* serve: answers guests until SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "broker/admin.h"
#include "broker/front.h"
#include "broker/keeper.h"
#include "broker/server.h"
#include "broker/verbs.h"

#define BACKLOG 1024
/* Files that are not connections: standard ones, listeners, link and control, epoll, signals, two of TLS. */
#define OTHER_FILES 64
/* Secrets that one decision has at a time, all of less than a page. */
#define KEPT_PAGES 16

struct settings {
    const char *directory, *credentials, *listen, *metrics, *trust_root, *evidence_directory;
    uint64_t listen_fd, ready_fd, session_s, sessions, connections, request_s, idle_s, lease_s, source_rate, total_rate;
};

static int load_roots(const struct settings *settings, struct trust_roots **ret_roots, struct reason *why)
{
    return settings->trust_root ? trust_roots_file(settings->trust_root, ret_roots, why) : trust_roots_amd(ret_roots);
}

static int load_broker(const struct settings *settings, struct broker *broker, struct reason *why)
{
    int r = verb_open_store(settings->directory, STORE_WRITE, &broker->store, why);

    if (r == 0)
        r = keys_load(settings->directory, settings->credentials, &broker->keys, why);
    if (r == 0)
        r = load_roots(settings, &broker->roots, why);
    if (r == 0)
        r = nonces_init(&broker->nonces, clock_ms(), 1000 * settings->session_s);
    broker->sessions.max = settings->sessions;
    broker->lease_ms = 1000 * settings->lease_s;
    return r;
}

static void free_broker(struct broker *broker)
{
    sessions_free(&broker->sessions);
    nonces_free(&broker->nonces);
    chain_cache_clear(&broker->chains);
    policy_cache_free(&broker->policies);
    trust_roots_free(&broker->roots);
    keys_free(&broker->keys);
    store_close(&broker->store);
}

static int check_evidence_directory(const char *directory, struct reason *why)
{
    struct stat found;

    if (stat(directory, &found) < 0)
        return reason_set(why, -errno, "--evidence-dir %s: %s", directory, strerror(errno));
    if (!S_ISDIR(found.st_mode) || access(directory, W_OK | X_OK) < 0)
        return reason_set(why, -EACCES, "--evidence-dir %s: not a directory that can be written", directory);
    return 0;
}

static int check_address(const char *option, const char *text, struct endpoint *ret_endpoint, struct reason *why)
{
    if (endpoint_parse(text, ret_endpoint) == 0)
        return 0;
    return reason_set(why, -EINVAL, "%s is \"%s\", expected ADDRESS:PORT with a literal address", option, text);
}

static int check_settings(const struct settings *settings, struct reason *why)
{
    if (!settings->listen == !settings->listen_fd)
        return reason_set(why, -EINVAL, "--listen is missing (or, for a socket of systemd's, --listen-fd 3); see "
                                        "postern-broker serve --help");
    if (settings->listen_fd && fcntl((int)settings->listen_fd, F_GETFD) < 0)
        return reason_set(why, -EBADF, "--listen-fd %llu: no such descriptor is open",
                          (unsigned long long)settings->listen_fd);
    if (settings->ready_fd && fcntl((int)settings->ready_fd, F_GETFD) < 0)
        return reason_set(why, -EBADF, "--ready-fd %llu: no such descriptor is open",
                          (unsigned long long)settings->ready_fd);
    return settings->evidence_directory ? check_evidence_directory(settings->evidence_directory, why) : 0;
}

/* As many files as connections may need. */
static int allow_files(uint64_t connections, struct reason *why)
{
    rlim_t needed = (rlim_t)connections + OTHER_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur >= needed)
        return 0;
    if (limit.rlim_max < needed)
        return reason_set(why, -EMFILE,
                          "%llu connections need %llu open files, this process may have %llu: lower --max-connections "
                          "or raise the limit",
                          (unsigned long long)connections, (unsigned long long)needed,
                          (unsigned long long)limit.rlim_max);
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int open_listener(const struct endpoint *at, int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = socket(at->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_storage address = at->address;
    const int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, at->address_size) < 0 || listen(fd, BACKLOG) < 0)
        return reason_set(why, -errno, "%s: cannot be listened on: %s", at->authority, strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

/* Both listening sockets, before there are two processes: what can be wrong with them is told by one. */
static int open_listeners(const struct settings *settings, struct front_settings *front,
                          char ret_name[ENDPOINT_MAX_TEXT], struct reason *why)
{
    struct endpoint endpoint;
    int r = allow_files(settings->connections, why);

    (void)snprintf(ret_name, ENDPOINT_MAX_TEXT, "systemd's socket");
    if (r == 0 && settings->listen) {
        r = check_address("--listen", settings->listen, &endpoint, why);
        if (r == 0)
            r = open_listener(&endpoint, &front->listener, why);
        (void)snprintf(ret_name, ENDPOINT_MAX_TEXT, "%s", settings->listen);
    } else if (r == 0) {
        front->listener = (int)settings->listen_fd;
    }
    if (r == 0 && settings->metrics) {
        r = check_address("--metrics", settings->metrics, &endpoint, why);
        if (r == 0)
            r = open_listener(&endpoint, &front->metrics, why);
    }
    return r;
}

/* Gives the front the present TLS key. */
static int send_tls(const struct settings *settings, int control, struct reason *why)
{
    CLEANUP_FD int key = -1, certificate = -1;
    int r = keys_open_tls(settings->directory, &key, &certificate, why);

    if (r == 0)
        r = front_tell(control, FRONT_TLS, key, certificate);
    return r;
}

/* Keys and roots anew; when one of them cannot be read, all stay as they are. */
static int reload(struct keeper *keeper, struct reason *why)
{
    const struct settings *settings = keeper->context;
    struct keys keys = { .kek = SECRET_NONE };
    struct trust_roots *roots = NULL;
    int r = keys_load(settings->directory, settings->credentials, &keys, why);

    if (r == 0)
        r = load_roots(settings, &roots, why);
    if (r == 0)
        r = send_tls(settings, keeper->control, why);
    if (r < 0) {
        trust_roots_free(&roots);
        keys_free(&keys);
        return r;
    }
    chain_cache_clear(&keeper->broker->chains);
    trust_roots_free(&keeper->broker->roots);
    keys_free(&keeper->broker->keys);
    keeper->broker->roots = roots;
    keeper->broker->keys = keys;
    return 0;
}

/* The keeper's half, until the front has ended. */
static int keep(const struct settings *settings, int link, int control, const char *name)
{
    struct broker broker = { .store = NULL };
    struct reason why = { "" };
    struct journal journal;
    struct settings kept = *settings;
    struct keeper keeper = { .broker = &broker,
                             .journal = &journal,
                             .evidence_directory = settings->evidence_directory,
                             .ready_fd = settings->ready_fd ? (int)settings->ready_fd : -1,
                             .reload = reload,
                             .context = &kept };
    int exit_code = COMMAND_OK;
    int r = load_broker(settings, &broker, &why);

    if (r < 0) {
        (void)close(link);
        (void)close(control);
    } else {
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGXFSZ, SIG_IGN);
        secret_keep_pages(KEPT_PAGES);
        journal_init(&journal, broker.store, trust_word(trust_roots_software(broker.roots)));
        r = keeper_open(&keeper, link, control);
        if (r == 0)
            r = admin_open(&keeper, settings->directory, &keeper.admin, &why);
        if (r == 0)
            r = send_tls(settings, control, &why);
        if (r == 0) {
            journal_note(&journal, "start", "listening on %s", name);
            keeper_run(&keeper);
            exit_code = keeper.lost ? BROKER_EXIT_FRONT : COMMAND_OK;
            journal_note(&journal, "end", "stopped listening on %s", name);
        }
        admin_free(&keeper.admin);
        keeper_free(&keeper);
    }
    if (r < 0)
        exit_code = verb_fail(BROKER_EXIT_STATE, &why, r);
    free_broker(&broker);
    return exit_code;
}

/* Both processes: this one keeps, its child faces the network. */
static int serve(const struct settings *settings, struct front_settings *front, const char *name)
{
    int link[2] = { -1, -1 }, control[2] = { -1, -1 };
    struct reason why = { "" };
    int exit_code, status = 0;
    pid_t child = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link) == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0)
        child = fork();
    if (child < 0) {
        int r = reason_set(&why, -errno, "two processes cannot be made: %s", strerror(errno));

        return verb_fail(BROKER_EXIT_STATE, &why, r);
    }
    if (child == 0) {
        (void)close(link[0]);
        (void)close(control[0]);
        if (settings->ready_fd)
            (void)close((int)settings->ready_fd);
        front->link = link[1];
        front->control = control[1];
        _exit(front_run(front));
    }
    (void)close(link[1]);
    (void)close(control[1]);
    (void)close(front->listener);
    if (front->metrics >= 0)
        (void)close(front->metrics);
    exit_code = keep(settings, link[0], control[0], name);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (exit_code == BROKER_EXIT_FRONT) {
        int r = reason_set(&why, -EPIPE, "the process that faces the network ended by itself (status 0x%x)",
                           (unsigned)status);

        return verb_fail(exit_code, &why, r);
    }
    return exit_code;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings s = { .session_s = 300, .sessions = 4096, .connections = 1024, .request_s = 20, .idle_s = 120,
                          .lease_s = 86400, .source_rate = 100, .total_rate = 500 };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&s.directory),
        OPTION("listen", "ADDRESS:PORT", "a literal address: 0.0.0.0:8443, [::1]:8443", OPTION_TEXT, &s.listen),
        OPTION("listen-fd", "N", "instead: a socket that is listened on already", OPTION_U64, &s.listen_fd, .min = 3,
               .max = INT32_MAX),
        VERB_CREDENTIALS(&s.credentials),
        OPTION("metrics", "ADDRESS:PORT", "numbers for Prometheus there, without TLS", OPTION_TEXT, &s.metrics),
        OPTION("trust-root", "FILE", "trust this root instead of AMD's, for tests", OPTION_TEXT, &s.trust_root),
        OPTION("evidence-dir", "DIR", "keep the body of each attestation there", OPTION_TEXT, &s.evidence_directory),
        OPTION("ready-fd", "N", "write a line to this descriptor once it listens", OPTION_U64, &s.ready_fd, .min = 3,
               .max = INT32_MAX),
        OPTION("session-seconds", "N", "how long a challenge and its session are good (300)", OPTION_U64, &s.session_s,
               .min = 1, .max = 3600),
        OPTION("max-sessions", "N", "attested sessions at a time (4096)", OPTION_U64, &s.sessions, .min = 1,
               .max = 1000000),
        OPTION("source-rate", "N", "connections and requests a second of one source, 0: any (100)", OPTION_U64,
               &s.source_rate, .max = 1000000),
        OPTION("total-rate", "N", "of all sources without good evidence together (500)", OPTION_U64, &s.total_rate,
               .max = 1000000),
        OPTION("max-connections", "N", "connections at a time (1024)", OPTION_U64, &s.connections, .min = 1,
               .max = 65536),
        OPTION("lease-seconds", "N", "how long a launch that was heard of counts as alive (86400)", OPTION_U64,
               &s.lease_s, .min = 1, .max = INT32_MAX),
        OPTION("request-seconds", "N", "how long a client may take to send a request (20)", OPTION_U64, &s.request_s,
               .min = 1, .max = 3600),
        OPTION("idle-seconds", "N", "how long a connection may rest between requests (120)", OPTION_U64, &s.idle_s,
               .min = 1, .max = 3600),
    };
    struct front_settings front = { .listener = -1, .metrics = -1 };
    char name[ENDPOINT_MAX_TEXT];
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = check_settings(&s, &why);
    if (r < 0)
        return verb_fail(COMMAND_MISUSE, &why, r);
    front.trust = trust_word(s.trust_root != NULL);
    front.keep_evidence = s.evidence_directory != NULL;
    front.limits = (struct server_limits){ .connections = (unsigned)s.connections,
                                           .request_ms = 1000 * s.request_s,
                                           .idle_ms = 1000 * s.idle_s,
                                           .rates = { (uint32_t)s.source_rate, (uint32_t)s.total_rate } };
    r = open_listeners(&s, &front, name, &why);
    if (r < 0)
        return verb_fail(r == -EINVAL ? COMMAND_MISUSE : BROKER_EXIT_LISTEN, &why, r);
    return serve(&s, &front, name);
}

const struct command verb_serve = {
    .program = VERB_PROGRAM,
    .name = "serve",
    .summary = "Answers guests until SIGTERM; every decision goes to standard error and into the store.",
    .usage = "--dir DIR --listen ADDRESS:PORT [OPTION…]",
    .example = "  postern-broker serve --dir /var/lib/broker --listen 0.0.0.0:8443\n",
    .run = run,
};
