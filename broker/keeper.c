/* The keeper's loop. The front controls the bytes of the link; link_parse_question() has looked at them. */
#include "broker/keeper.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/file.h"
#include "broker/decide.h"
#include "broker/front.h"
#include "broker/link.h"
#include "broker/metrics.h"
#include "broker/token.h"

/* Questions read in one go; a front has one for each of its connections at the most. */
#define READ_BYTES (1u << 20)
/* Answers that the front may leave lying; it takes them at once unless it means harm or is stuck. */
#define MAX_ANSWERS_BYTES (64u << 20)
/* How long a row may wait for company. */
#define LATER_US 20000

/* One question, until its answer has left. */
struct matter {
    struct journal_ticket ticket;
    struct keeper *keeper;
    struct entry entry;
    struct link_answer answer;
    struct buffer body;
};

static void matter_free(struct matter *matter)
{
    buffer_free(&matter->body);
    free(matter);
}

static void stop(struct keeper *keeper, const char *why)
{
    journal_note(keeper->journal, "front", "%s", why);
    keeper->lost = true;
    (void)event_base_loopbreak(keeper->base);
}

/* Sends the answer; nothing of what was made leaves with a refusal. */
static void send_answer(struct matter *matter)
{
    CLEANUP_BUFFER struct buffer frame = BUFFER_EMPTY;
    struct link_answer *answer = &matter->answer;
    bool granted = verdict_granted(matter->entry.verdict);

    matter->keeper->verdicts[matter->entry.verdict]++;
    answer->verdict = matter->entry.verdict;
    memcpy(answer->request, matter->entry.request, sizeof(answer->request));
    answer->has_session = answer->has_session && granted;
    answer->body = granted ? matter->body.data : NULL;
    answer->body_size = granted ? matter->body.size : 0;
    link_write_answer(answer, &frame);
    if (buffer_error(&frame) < 0 || bufferevent_write(matter->keeper->link, frame.data, frame.size) < 0)
        (void)event_base_loopbreak(matter->keeper->base);
    else if (evbuffer_get_length(bufferevent_get_output(matter->keeper->link)) > MAX_ANSWERS_BYTES &&
             !matter->keeper->lost)
        stop(matter->keeper, "the process that faces the network does not take its answers");
}

/* The row is on the disk, or cannot get there. */
static void committed(struct journal_ticket *ticket)
{
    send_answer(ticket->owner);
    matter_free(ticket->owner);
}

static void kept(struct journal_ticket *ticket)
{
    matter_free(ticket->owner);
}

/* What gives nothing away is answered at once, and written down with what comes next, or in a moment. */
static void write_later(struct matter *matter)
{
    const struct timeval moment = { .tv_usec = LATER_US };
    struct keeper *keeper = matter->keeper;

    send_answer(matter);
    matter->ticket = (struct journal_ticket){ .entry = &matter->entry, .owner = matter, .done = kept };
    if (!event_pending(keeper->later, EV_TIMEOUT, NULL))
        (void)event_add(keeper->later, &moment);
    journal_add_later(keeper->journal, &matter->ticket);
}

static void set_session(struct link_answer *answer, const uint8_t session[NONCE_SESSION_BYTES], uint64_t expires_ms,
                        const struct entry *entry)
{
    answer->has_session = true;
    memcpy(answer->session, session, NONCE_SESSION_BYTES);
    answer->session_expires = (uint64_t)entry->time.tv_sec + (uint64_t)clock_left_ms(expires_ms) / 1000;
}

static enum verdict auth(struct matter *matter)
{
    struct challenge challenge;

    if (nonce_issue(&matter->keeper->broker->nonces, clock_ms(), &challenge) < 0)
        return VERDICT_INTERNAL;
    message_write_challenge(challenge.text, &matter->body);
    set_session(&matter->answer, challenge.session, challenge.expires_ms, &matter->entry);
    return VERDICT_OK;
}

/* Keeps what was sent, for replaying it later; a failure costs the file and nothing else. */
static void save_evidence(const struct matter *matter, const struct link_question *question)
{
    const char *directory = matter->keeper->evidence_directory;
    char path[1024];
    CLEANUP_FD int fd = -1;
    int size;

    if (!directory)
        return;
    size = snprintf(path, sizeof(path), "%s/%s.json", directory, matter->entry.request);
    if (size > 0 && (size_t)size < sizeof(path))
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, question->body, question->body_size) < 0)
        journal_note(matter->keeper->journal, "evidence", "%s: cannot be written", path);
}

static enum verdict attest(struct matter *matter, const struct link_question *question)
{
    struct broker *broker = matter->keeper->broker;
    const struct session *session = NULL;
    enum verdict verdict = decide_attest(broker, question->cookie, question->attestation, &matter->entry, &session);

    if (verdict != VERDICT_OK)
        return verdict;
    set_session(&matter->answer, session->id, session->expires_ms, &matter->entry);
    buffer_add_text(&matter->body, "{\"token\":\"");
    if (token_write(broker->keys.token, session, trust_roots_software(broker->roots), matter->entry.time.tv_sec,
                    (time_t)matter->answer.session_expires, &matter->body) < 0)
        return VERDICT_INTERNAL;
    buffer_add_text(&matter->body, "\"}");
    return VERDICT_OK;
}

static enum verdict release(struct matter *matter, const struct link_question *question)
{
    struct keeper *keeper = matter->keeper;

    if (journal_begin(keeper->journal) < 0)
        return VERDICT_STORE;
    if (question->kind == LINK_CONFIRM)
        return decide_confirm(keeper->broker, question->cookie, question->resource, &question->confirmation,
                              &matter->entry, &matter->body);
    return decide_release(keeper->broker, question->cookie, question->resource, &matter->entry, &matter->body);
}

static enum verdict health(struct matter *matter)
{
    bool good = matter->keeper->journal->healthy;

    matter->answer.has_session = false;
    buffer_printf(&matter->body, "{\"status\":\"%s\"}", good ? "ok" : "the store cannot be written");
    return VERDICT_OK;
}

static enum verdict decide(struct matter *matter, const struct link_question *question)
{
    struct entry *entry = &matter->entry;

    if (question->kind == LINK_AUTH || question->kind == LINK_HEALTH || question->kind == LINK_METRICS) {
        if (question->kind == LINK_AUTH)
            return auth(matter);
        if (question->kind == LINK_HEALTH)
            return health(matter);
        metrics_write_keeper(matter->keeper, &matter->body);
        return VERDICT_OK;
    }
    entry->event = question->kind == LINK_ATTEST ? "attest" : question->kind == LINK_RELEASE ? "release" : "confirm";
    entry->keep = ENTRY_REFUSED;
    (void)snprintf(entry->resource, sizeof(entry->resource), "%s", question->resource);
    if (question->kind == LINK_ATTEST)
        save_evidence(matter, question);
    if (question->refused != VERDICT_OK) {
        entry->detail = question->detail;
        return question->refused;
    }
    return question->kind == LINK_ATTEST ? attest(matter, question) : release(matter, question);
}

static int take_question(struct keeper *keeper, const struct link_question *question)
{
    struct matter *matter = calloc(1, sizeof(*matter));

    if (!matter)
        return -ENOMEM;
    matter->keeper = keeper;
    matter->answer.ticket = question->ticket;
    if (entry_init(&matter->entry, question->peer) < 0) {
        matter_free(matter);
        return -EIO;
    }
    matter->entry.verdict = decide(matter, question);
    if (verdict_granted(matter->entry.verdict) && buffer_error(&matter->body) < 0)
        matter->entry.verdict = VERDICT_STORE;
    if (matter->entry.verdict == VERDICT_STORE)
        journal_spoil(keeper->journal, -EIO, &matter->entry.detail);
    if (matter->entry.keep == ENTRY_LINE) {
        send_answer(matter);
        matter_free(matter);
        return 0;
    }
    if (matter->entry.verdict != VERDICT_STORE &&
        (matter->entry.keep == ENTRY_REFUSED || question->kind == LINK_ATTEST)) {
        write_later(matter);
        return 0;
    }
    matter->ticket = (struct journal_ticket){ .entry = &matter->entry, .owner = matter, .done = committed };
    journal_add(keeper->journal, &matter->ticket);
    event_active(keeper->commit, EV_TIMEOUT, 1);
    return 0;
}

static void on_questions(struct bufferevent *stream, void *argument)
{
    struct keeper *keeper = argument;
    struct evbuffer *input = bufferevent_get_input(stream);

    for (;;) {
        uint8_t head[LINK_FRAME_BYTES];
        struct link_question question = { .attestation = keeper->attestation };
        size_t size;

        if (evbuffer_copyout(input, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
            return;
        size = get_u32le(head);
        if (size > LINK_MAX_BYTES) {
            stop(keeper, "the process that faces the network sent what is no question");
            return;
        }
        if (evbuffer_get_length(input) < sizeof(head) + size)
            return;
        (void)evbuffer_drain(input, sizeof(head));
        if (link_parse_question(evbuffer_pullup(input, (ev_ssize_t)size), size, &question) < 0 ||
            take_question(keeper, &question) < 0) {
            stop(keeper, "the process that faces the network sent what is no question, or memory is short");
            return;
        }
        (void)evbuffer_drain(input, size);
        if (keeper->lost)
            return;
    }
}

/* The front has ended: after a drain that is what it should do. */
static void on_link_event(struct bufferevent *stream, short events, void *argument)
{
    struct keeper *keeper = argument;

    (void)stream;
    if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (!keeper->draining)
        stop(keeper, "the process that faces the network has ended");
    (void)event_base_loopexit(keeper->base, NULL);
}

static void on_commit(evutil_socket_t fd, short events, void *argument)
{
    struct keeper *keeper = argument;

    (void)fd;
    (void)events;
    keeper->commits++;
    journal_commit(keeper->journal);
}

static void on_tick(evutil_socket_t fd, short events, void *argument)
{
    struct keeper *keeper = argument;

    (void)fd;
    (void)events;
    sessions_expire(&keeper->broker->sessions, clock_ms());
}

void keeper_drain(struct keeper *keeper, const char *cause)
{
    if (keeper->draining)
        return;
    keeper->draining = true;
    journal_note(keeper->journal, "stop", "%s: finishing the answers in flight", cause);
    if (front_tell(keeper->control, FRONT_DRAIN, -1, -1) < 0)
        stop(keeper, "the process that faces the network cannot be told to end");
}

int keeper_reload(struct keeper *keeper, struct reason *why)
{
    int r = keeper->reload(keeper, why);

    if (r < 0)
        journal_note(keeper->journal, "reload", "all is as it was: %s", reason_text(why, r));
    else
        journal_note(keeper->journal, "reload", "keys and roots are those of the files");
    return r;
}

static void on_signal(evutil_socket_t number, short events, void *argument)
{
    struct keeper *keeper = argument;
    struct reason why = { "" };
    char cause[32];

    (void)events;
    if (number == SIGHUP) {
        if (keeper_reload(keeper, &why) < 0)
            return; /* it has been noted */
        return;
    }
    (void)snprintf(cause, sizeof(cause), "signal %d", (int)number);
    keeper_drain(keeper, cause);
}

/* The front listens: whoever started us may be waiting for it. */
static void on_ready(evutil_socket_t fd, short events, void *argument)
{
    struct keeper *keeper = argument;
    static const char text[] = "ready\n";
    enum front_word word;

    (void)events;
    if (front_hear(fd, &word, NULL, NULL) < 0 || word != FRONT_READY)
        return;
    if (keeper->ready_fd >= 0 && fd_write_all(keeper->ready_fd, text, strlen(text)) < 0)
        journal_note(keeper->journal, "start", "--ready-fd %d: cannot be written", keeper->ready_fd);
    fd_close(&keeper->ready_fd);
}

static int open_events(struct keeper *keeper)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    const struct timeval second = { .tv_sec = 1 };

    keeper->commit = event_new(keeper->base, -1, 0, on_commit, keeper);
    keeper->later = event_new(keeper->base, -1, 0, on_commit, keeper);
    keeper->tick = event_new(keeper->base, -1, EV_PERSIST, on_tick, keeper);
    keeper->ready = event_new(keeper->base, keeper->control, EV_READ, on_ready, keeper);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        keeper->signals[i] = evsignal_new(keeper->base, numbers[i], on_signal, keeper);
        if (!keeper->signals[i] || event_add(keeper->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    if (!keeper->commit || !keeper->later || !keeper->tick || !keeper->ready)
        return -ENOMEM;
    return event_add(keeper->tick, &second) < 0 || event_add(keeper->ready, NULL) < 0 ? -ENOMEM : 0;
}

int keeper_open(struct keeper *keeper, int link, int control)
{
    keeper->control = control;
    keeper->attestation = malloc(sizeof(*keeper->attestation));
    keeper->base = event_base_new();
    keeper->link = keeper->base ? bufferevent_socket_new(keeper->base, link, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!keeper->link || !keeper->attestation) {
        if (!keeper->link)
            (void)close(link);
        return -ENOMEM;
    }
    (void)bufferevent_set_max_single_read(keeper->link, READ_BYTES);
    bufferevent_setcb(keeper->link, on_questions, NULL, on_link_event, keeper);
    bufferevent_setwatermark(keeper->link, EV_READ, 0, READ_BYTES);
    if (bufferevent_enable(keeper->link, EV_READ | EV_WRITE) < 0)
        return -ENOMEM;
    return open_events(keeper);
}

void keeper_run(struct keeper *keeper)
{
    (void)event_base_dispatch(keeper->base);
    journal_commit(keeper->journal);
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

void keeper_free(struct keeper *keeper)
{
    free_event(&keeper->commit);
    free_event(&keeper->later);
    free_event(&keeper->tick);
    free_event(&keeper->ready);
    for (size_t i = 0; i < ARRAY_SIZE(keeper->signals); i++)
        free_event(&keeper->signals[i]);
    if (keeper->link)
        bufferevent_free(keeper->link);
    if (keeper->base)
        event_base_free(keeper->base);
    free(keeper->attestation);
    fd_close(&keeper->control);
    fd_close(&keeper->ready_fd);
    keeper->link = NULL;
    keeper->base = NULL;
    keeper->attestation = NULL;
}
