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

static const char help[] =
    "usage: postern-broker serve --dir DIR --listen ADDRESS:PORT [OPTION…]\n"
    "\n"
    "Serves the Key Broker Service protocol (RCAR 0.4.0) over TLS 1.3, in the foreground, until SIGTERM. Every\n"
    "decision is a JSON line on standard error and a row in the store.\n"
    "\n"
    "  --dir DIR               the broker's directory\n"
    "  --listen ADDRESS:PORT   a literal address: 0.0.0.0:8443, [::1]:8443\n"
    "  --trust-root FILE       trust this root instead of AMD's: a software secure processor's, for tests\n"
    "  --evidence-dir DIR      keep the body of each attestation there, under its request id; grows without bound\n"
    "  --ready-fd N            write the address to this descriptor once it is listened on, and close it\n"
    "  --session-seconds N     how long a challenge, and the session made with it, is good (300)\n"
    "  --max-sessions N        attested sessions at a time (4096)\n"
    "  --max-connections N     connections at a time (1024); a new one takes the place of the oldest idle one\n"
    "  --request-seconds N     how long a client may take to send a request (20)\n"
    "  --idle-seconds N        how long a connection may rest between requests (120)\n"
    "\n"
    "Example: postern-broker serve --dir /var/lib/broker --listen 0.0.0.0:8443\n";

struct settings {
    const char *directory, *listen, *trust_root, *evidence_directory;
    unsigned ready_fd, session_s, sessions, connections, request_s, idle_s;
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
        r = nonces_init(&broker->nonces, clock_ms(), 1000u * (uint64_t)settings->session_s);
    broker->sessions.max = settings->sessions;
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
        return reason_set(why, -EBADF, "--ready-fd %u: no such descriptor is open", settings->ready_fd);
    return settings->evidence_directory ? check_evidence_directory(settings->evidence_directory, why) : 0;
}

static void tell_ready(unsigned fd, const struct endpoint *listen)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    if (!fd)
        return;
    buffer_printf(&line, "%s\n", listen->authority);
    if (buffer_error(&line) == 0)
        (void)!write((int)fd, line.data, line.size); /* whoever asked for it may be gone; that is theirs to know */
    (void)close((int)fd);
}

static int serve(const struct verb *verb, const struct settings *settings, const struct endpoint *listen,
                 struct broker *broker)
{
    const struct server_limits limits = { .connections = settings->connections,
                                          .request_ms = 1000u * (uint64_t)settings->request_s,
                                          .idle_ms = 1000u * (uint64_t)settings->idle_s };
    struct reason why = { "" };
    struct journal journal;
    struct server server;
    struct kbs kbs = { .broker = broker, .journal = &journal, .evidence_directory = settings->evidence_directory };
    int r;

    journal_init(&journal, broker->store, trust_word(trust_roots_software(broker->roots)));
    r = server_open(&server, &kbs, &journal, listen, &limits, &why);
    if (r < 0)
        return verb_fail(verb, r == -ENOMEM ? BROKER_EXIT_STATE : BROKER_EXIT_LISTEN, &why, r);
    journal_note(&journal, "start", "listening on %s", listen->authority);
    tell_ready(settings->ready_fd, listen);
    server_run(&server);
    server_free(&server);
    journal_note(&journal, "end", "stopped listening on %s", listen->authority);
    return BROKER_EXIT_GOOD;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct settings s = { .session_s = 300, .sessions = 4096, .connections = 1024, .request_s = 20, .idle_s = 120 };
    const struct option_spec specs[] = {
        { .name = "dir", .kind = OPTION_TEXT, .required = true, .to.text = &s.directory },
        { .name = "listen", .kind = OPTION_TEXT, .required = true, .to.text = &s.listen },
        { .name = "trust-root", .kind = OPTION_TEXT, .to.text = &s.trust_root },
        { .name = "evidence-dir", .kind = OPTION_TEXT, .to.text = &s.evidence_directory },
        { .name = "ready-fd", .kind = OPTION_NUMBER, .to.number = &s.ready_fd, .min = 3, .max = 65535 },
        { .name = "session-seconds", .kind = OPTION_NUMBER, .to.number = &s.session_s, .min = 1, .max = 3600 },
        { .name = "max-sessions", .kind = OPTION_NUMBER, .to.number = &s.sessions, .min = 1, .max = 1000000 },
        { .name = "max-connections", .kind = OPTION_NUMBER, .to.number = &s.connections, .min = 1, .max = 65536 },
        { .name = "request-seconds", .kind = OPTION_NUMBER, .to.number = &s.request_s, .min = 1, .max = 3600 },
        { .name = "idle-seconds", .kind = OPTION_NUMBER, .to.number = &s.idle_s, .min = 1, .max = 3600 },
    };
    struct broker broker = { .store = NULL };
    struct reason why = { "" };
    struct endpoint listen;
    int exit_code, r;

    if (!options_parse(verb, argc, argv, specs, ARRAY_SIZE(specs), &exit_code))
        return exit_code;
    r = check_settings(&s, &listen, &why);
    if (r < 0)
        return verb_fail(verb, BROKER_EXIT_MISUSE, &why, r);
    r = load_broker(&s, &broker, &why);
    exit_code = r < 0 ? verb_fail(verb, BROKER_EXIT_STATE, &why, r) : serve(verb, &s, &listen, &broker);
    free_broker(&broker);
    return exit_code;
}

const struct verb verb_serve = { "serve", help, run };
