/* serve: answers guests until SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "broker/server.h"
#include "broker/verbs.h"

struct settings {
    const char *directory, *listen, *trust_root, *evidence_directory;
    uint64_t ready_fd, session_s, sessions, connections, request_s, idle_s, lease_s;
};

static int load_broker(const struct settings *settings, struct broker *broker, struct reason *why)
{
    int r = verb_open_store(settings->directory, STORE_WRITE, &broker->store, why);

    if (r == 0)
        r = keys_load(settings->directory, &broker->keys, why);
    if (r == 0)
        r = settings->trust_root ? trust_roots_file(settings->trust_root, &broker->roots, why)
                                 : trust_roots_amd(&broker->roots);
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

static int check_settings(const struct settings *settings, struct endpoint *ret_listen, struct reason *why)
{
    if (endpoint_parse(settings->listen, ret_listen) < 0)
        return reason_set(why, -EINVAL, "--listen is \"%s\", expected ADDRESS:PORT with a literal address",
                          settings->listen);
    if (settings->ready_fd && fcntl((int)settings->ready_fd, F_GETFD) < 0)
        return reason_set(why, -EBADF, "--ready-fd %llu: no such descriptor is open",
                          (unsigned long long)settings->ready_fd);
    return settings->evidence_directory ? check_evidence_directory(settings->evidence_directory, why) : 0;
}

/* Whoever started us may be waiting for it. */
static void tell_ready(uint64_t fd, const struct journal *journal)
{
    static const char text[] = "ready\n";

    if (fd && fd_write_all((int)fd, text, strlen(text)) < 0)
        journal_note(journal, "start", "--ready-fd %llu: cannot be written", (unsigned long long)fd);
    if (fd)
        (void)close((int)fd);
}

static int serve(const struct settings *settings, const struct endpoint *listen, struct broker *broker)
{
    const struct server_limits limits = { .connections = (unsigned)settings->connections,
                                          .request_ms = 1000 * settings->request_s,
                                          .idle_ms = 1000 * settings->idle_s };
    struct reason why = { "" };
    struct journal journal;
    struct server server;
    struct kbs kbs = { .broker = broker, .journal = &journal, .evidence_directory = settings->evidence_directory };
    int r;

    journal_init(&journal, broker->store, trust_word(trust_roots_software(broker->roots)));
    r = server_open(&server, &kbs, &journal, listen, &limits, &why);
    if (r < 0)
        return verb_fail(r == -ENOMEM ? BROKER_EXIT_STATE : BROKER_EXIT_LISTEN, &why, r);
    journal_note(&journal, "start", "listening on %s", listen->authority);
    tell_ready(settings->ready_fd, &journal);
    server_run(&server);
    server_free(&server);
    journal_note(&journal, "end", "stopped listening on %s", listen->authority);
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings s = { .session_s = 300, .sessions = 4096, .connections = 1024, .request_s = 20, .idle_s = 120, .lease_s = 86400 };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&s.directory),
        OPTION("listen", "ADDRESS:PORT", "a literal address: 0.0.0.0:8443, [::1]:8443", OPTION_TEXT, &s.listen,
               .required = true),
        OPTION("trust-root", "FILE", "trust this root instead of AMD's, for tests", OPTION_TEXT, &s.trust_root),
        OPTION("evidence-dir", "DIR", "keep the body of each attestation there", OPTION_TEXT, &s.evidence_directory),
        OPTION("ready-fd", "N", "write a line to this descriptor once it listens", OPTION_U64, &s.ready_fd, .min = 3,
               .max = INT32_MAX),
        OPTION("session-seconds", "N", "how long a challenge and its session are good (300)", OPTION_U64, &s.session_s,
               .min = 1, .max = 3600),
        OPTION("max-sessions", "N", "attested sessions at a time (4096)", OPTION_U64, &s.sessions, .min = 1,
               .max = 1000000),
        OPTION("max-connections", "N", "connections at a time (1024)", OPTION_U64, &s.connections, .min = 1,
               .max = 65536),
        OPTION("lease-seconds", "N", "how long a launch that was heard of counts as alive (86400)", OPTION_U64, &s.lease_s,
               .min = 1, .max = INT32_MAX),
        OPTION("request-seconds", "N", "how long a client may take to send a request (20)", OPTION_U64, &s.request_s,
               .min = 1, .max = 3600),
        OPTION("idle-seconds", "N", "how long a connection may rest between requests (120)", OPTION_U64, &s.idle_s,
               .min = 1, .max = 3600),
    };
    struct broker broker = { .store = NULL };
    struct reason why = { "" };
    struct endpoint listen;
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = check_settings(&s, &listen, &why);
    if (r < 0)
        return verb_fail(COMMAND_MISUSE, &why, r);
    r = load_broker(&s, &broker, &why);
    exit_code = r < 0 ? verb_fail(BROKER_EXIT_STATE, &why, r) : serve(&s, &listen, &broker);
    free_broker(&broker);
    return exit_code;
}

const struct command verb_serve = {
    .program = VERB_PROGRAM,
    .name = "serve",
    .summary = "Answers guests until SIGTERM; every decision goes to standard error and into the store.",
    .usage = "--dir DIR --listen ADDRESS:PORT [OPTION…]",
    .example = "  postern-broker serve --dir /var/lib/broker --listen 0.0.0.0:8443\n",
    .run = run,
};
