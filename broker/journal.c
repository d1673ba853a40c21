/* Rows and lines of decisions. */
#include "broker/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "broker/log-chain.h"

void journal_init(struct journal *journal, struct store *store, const char *trust)
{
    *journal = (struct journal){ .store = store, .trust = trust, .healthy = true };
    STAILQ_INIT(&journal->waiting);
    STAILQ_INIT(&journal->later);
}

static void add_line(const struct journal *journal, const struct entry *entry, struct buffer *to)
{
    entry_write(entry, journal->trust, to);
    buffer_add_text(to, "\n");
}

/* One write for all lines, so that lines of several programs on one terminal do not mix. */
static void print(const struct buffer *lines)
{
    if (buffer_error(lines) == 0 && fd_write_all(STDERR_FILENO, lines->data, lines->size) < 0)
        return; /* nobody listens; the rows are in the store */
}

void journal_print(const struct journal *journal, const struct entry *entry)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;

    add_line(journal, entry, &line);
    print(&line);
}

void journal_note(const struct journal *journal, const char *event, const char *format, ...)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
    struct reason detail;
    va_list arguments;
    char text[REASON_MAX_BYTES];

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)reason_set(&detail, 0, "%s", text);
    entry_write_note(event, journal->trust, detail.text, &line);
    buffer_add_text(&line, "\n");
    print(&line);
}

/* Forgets all but the newest of what anybody can cause. */
static int trim(struct journal *journal)
{
    uint64_t last = store_last_row(journal->store);
    sqlite3_stmt *statement = NULL;
    int r;

    if (last <= STORE_MAX_REFUSED)
        return 0;
    r = store_statement(journal->store, STORE_REFUSED_TRIM, &statement, &journal->why);
    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)(last - STORE_MAX_REFUSED)) != SQLITE_OK)
        return -ENOMEM;
    return store_step(journal->store, statement, &journal->why);
}

static int insert_refused(struct journal *journal, const struct entry *entry, const struct buffer *line)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(journal->store, STORE_REFUSED_INSERT, &statement, &journal->why);

    if (r < 0)
        return r;
    if (sqlite3_bind_int64(statement, 1, (sqlite3_int64)entry_ms(entry)) != SQLITE_OK ||
        sqlite3_bind_text(statement, 2, entry->request, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text64(statement, 3, buffer_text(line), line->size, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
        return -ENOMEM;
    r = store_step(journal->store, statement, &journal->why);
    (void)sqlite3_clear_bindings(statement);
    return r < 0 ? r : trim(journal);
}

static int insert(struct journal *journal, const struct entry *entry)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
    int r;

    entry_write(entry, journal->trust, &line);
    r = buffer_error(&line);
    if (r < 0)
        return r;
    if (entry->keep == ENTRY_REFUSED)
        return insert_refused(journal, entry, &line);
    return log_chain_add(journal->store, entry_ms(entry), entry->request, line.data, line.size, &journal->why);
}

/* The rows that nobody waits for join the transaction, before whatever comes of them. */
static void take_later(struct journal *journal)
{
    struct journal_ticket *ticket;

    while ((ticket = STAILQ_FIRST(&journal->later))) {
        STAILQ_REMOVE_HEAD(&journal->later, next);
        if (journal->error == 0)
            journal->error = insert(journal, ticket->entry);
        ticket->answered = true;
        STAILQ_INSERT_TAIL(&journal->waiting, ticket, next);
        journal->count++;
    }
    journal->later_count = 0;
}

int journal_begin(struct journal *journal)
{
    if (!journal->open) {
        journal->open = true;
        journal->error = store_run(journal->store, STORE_BEGIN, &journal->why);
        take_later(journal);
    }
    return journal->error;
}

void journal_spoil(struct journal *journal, int error, const struct reason *why)
{
    if (journal->error < 0)
        return;
    journal->error = error;
    journal->why = *why;
}

void journal_add(struct journal *journal, struct journal_ticket *ticket)
{
    int r = journal_begin(journal);

    ticket->answered = false;
    journal->count++;
    if (r == 0)
        journal->error = insert(journal, ticket->entry);
    STAILQ_INSERT_TAIL(&journal->waiting, ticket, next);
    if (journal->count >= JOURNAL_MAX_BATCH)
        journal_commit(journal);
}

void journal_add_later(struct journal *journal, struct journal_ticket *ticket)
{
    STAILQ_INSERT_TAIL(&journal->later, ticket, next);
    if (++journal->later_count >= JOURNAL_MAX_BATCH)
        journal_commit(journal);
}

/* Nothing of the transaction is there: whoever waits is told, and what is lost is said. */
static void fail(struct journal *journal)
{
    struct journal_ticket *ticket;
    size_t lost = 0;

    store_rollback(journal->store);
    STAILQ_FOREACH(ticket, &journal->waiting, next) {
        if (ticket->answered) {
            lost++;
            continue;
        }
        ticket->entry->verdict = VERDICT_STORE;
        (void)reason_set(&ticket->entry->detail, 0, "%s", reason_text(&journal->why, journal->error));
    }
    if (lost)
        journal_note(journal, "log", "%zu rows of attestations and refusals are lost: %s", lost,
                     reason_text(&journal->why, journal->error));
}

void journal_commit(struct journal *journal)
{
    CLEANUP_BUFFER struct buffer lines = BUFFER_EMPTY;
    struct journal_queue done = STAILQ_HEAD_INITIALIZER(done);
    struct journal_ticket *ticket;

    if (!journal->open && !journal->later_count)
        return;
    (void)!journal_begin(journal); /* its error stays with the transaction */
    take_later(journal);
    if (journal->error == 0)
        journal->error = store_run(journal->store, STORE_COMMIT, &journal->why);
    journal->healthy = journal->error == 0;
    if (!journal->healthy)
        fail(journal);
    STAILQ_CONCAT(&done, &journal->waiting);
    journal->count = 0;
    journal->open = false;
    STAILQ_FOREACH(ticket, &done, next)
        add_line(journal, ticket->entry, &lines);
    print(&lines);
    while ((ticket = STAILQ_FIRST(&done))) {
        STAILQ_REMOVE_HEAD(&done, next);
        ticket->done(ticket);
    }
}
