/* Numbers; nothing secret, and nothing that a client chose but how often. */
#include "broker/metrics.h"

#include "broker/keeper.h"
#include "broker/server.h"

static void head(struct buffer *to, const char *name, const char *kind, const char *help)
{
    buffer_printf(to, "# HELP postern_broker_%s %s\n# TYPE postern_broker_%s %s\n", name, help, name, kind);
}

static void number(struct buffer *to, const char *name, const char *kind, const char *help, uint64_t value)
{
    head(to, name, kind, help);
    buffer_printf(to, "postern_broker_%s %llu\n", name, (unsigned long long)value);
}

static void verdicts(struct buffer *to, const char *name, const char *help, const uint64_t counts[VERDICTS])
{
    head(to, name, "counter", help);
    for (int i = 0; i < VERDICTS; i++)
        if (counts[i])
            buffer_printf(to, "postern_broker_%s{outcome=\"%s\",reason=\"%s\"} %llu\n", name,
                          verdict_outcome((enum verdict)i), verdict_reason((enum verdict)i),
                          (unsigned long long)counts[i]);
}

void metrics_write_keeper(const struct keeper *keeper, struct buffer *to)
{
    verdicts(to, "decisions_total", "Questions that the keeper answered.", keeper->verdicts);
    number(to, "sessions", "gauge", "Attested sessions.", keeper->broker->sessions.count);
    number(to, "sessions_max", "gauge", "Room for attested sessions.", keeper->broker->sessions.max);
    number(to, "commits_total", "counter", "Transactions of the store.", keeper->commits);
    number(to, "store_healthy", "gauge", "Whether the last transaction was committed.", keeper->journal->healthy);
}

void metrics_write_front(const struct server *server, struct buffer *to)
{
    verdicts(to, "refused_requests_total", "Requests that were refused as they were read.", server->verdicts);
    number(to, "connections", "gauge", "Open connections.", server->count);
    number(to, "accepted_total", "counter", "Connections that were accepted.", server->accepted);
    number(to, "limited_connections_total", "counter", "Connections closed for want of a token.", server->limited);
    number(to, "evicted_connections_total", "counter", "Connections that gave their place up.", server->evicted);
}
