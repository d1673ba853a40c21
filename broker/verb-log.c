/* log show: decisions, for people. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "broker/verbs.h"

#define MAX_LINE_BYTES 16384
#define MAX_CHECKS 32

static void print_check(struct json_reader *checks, size_t index)
{
    struct json_reader check;
    const char *name = "", *wanted = "", *found = "";
    bool passed = false;

    if (!json_element_object(checks, index, &check) ||
        !json_read_string(&check, "check", JSON_REQUIRED, MAX_LINE_BYTES, &name) ||
        !json_read_bool(&check, "passed", JSON_REQUIRED, &passed) ||
        !json_read_string(&check, "wanted", JSON_REQUIRED, MAX_LINE_BYTES, &wanted) ||
        !json_read_string(&check, "found", JSON_REQUIRED, MAX_LINE_BYTES, &found))
        return;
    if (passed)
        printf("    good   %-24s %s\n", name, found);
    else
        printf("    WRONG  %-24s wanted %s\n           %-24s found  %s\n", name, wanted, "", found);
}

static const char *text_of(struct json_reader *reader, const char *name)
{
    const char *text = "";

    (void)json_read_string(reader, name, JSON_OPTIONAL, MAX_LINE_BYTES, &text);
    return text;
}

/* One decision: a headline, then whatever is known, one line each. */
static int print_entry(const char *line, size_t size, struct reason *why)
{
    static const char *const more[] = { "resource", "detail", "measurement", "report_id", "chip_id" };
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader, checks;
    size_t count = 0;
    int r = json_parse(line, size, MAX_LINE_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    if (json_has(&reader, "outcome"))
        printf("%s  %s %s: %s  (request %s, peer %s, %s)\n", text_of(&reader, "time"), text_of(&reader, "event"),
               text_of(&reader, "outcome"), text_of(&reader, "reason"), text_of(&reader, "request"),
               text_of(&reader, "peer"), text_of(&reader, "trust"));
    else
        printf("%s  %s  (request %s, by the operator)\n", text_of(&reader, "time"), text_of(&reader, "event"),
               text_of(&reader, "request"));
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        const char *text = text_of(&reader, more[i]);

        if (text[0])
            printf("    %-12s %s\n", more[i], text);
    }
    if (json_read_array(&reader, "checks", JSON_OPTIONAL, MAX_CHECKS, &checks, &count))
        for (size_t i = 0; i < count; i++)
            print_check(&checks, i);
    return status.error;
}

static int print_all(struct store *store, const char *request, bool json, size_t *ret_count, struct reason *why)
{
    sqlite3_stmt *statement = NULL;
    int r = store_statement(store, request ? STORE_LOG_REQUEST : STORE_LOG_ALL, &statement, why);

    if (r == 0 && request && sqlite3_bind_text(statement, 1, request, -1, SQLITE_STATIC) != SQLITE_OK)
        r = -ENOMEM;
    if (r < 0)
        return r;
    while ((r = store_step(store, statement, why)) == 1) {
        const char *line = (const char *)sqlite3_column_text(statement, 1);

        (*ret_count)++;
        if (json)
            printf("%s\n", line);
        else
            r = print_entry(line, strlen(line), why);
        if (r < 0)
            break;
    }
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *request = NULL;
    bool json = false;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("request", "ID", "only this one: the id that the guest's console names", OPTION_TEXT, &request),
        OPTION("json", NULL, "the lines as they were logged", OPTION_FLAG, &json),
    };
    CLEANUP(store_close) struct store *store = NULL;
    struct reason why = { "" };
    const char *word = NULL;
    size_t count = 0;
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, &word, 1, &exit_code))
        return exit_code;
    if (word && request)
        return verb_fail(COMMAND_MISUSE, &why, reason_set(&why, -EINVAL, "both --request and an id were given"));
    request = word ? word : request;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r == 0)
        r = print_all(store, request, json, &count, &why);
    if (r < 0)
        return verb_fail(BROKER_EXIT_STATE, &why, r);
    if (request && !count) {
        r = reason_set(&why, -ENODATA, "%s: no decision stands under this request id", request);
        return verb_fail(COMMAND_MISUSE, &why, r);
    }
    return COMMAND_OK;
}

const struct command verb_log_show = {
    .program = VERB_PROGRAM,
    .name = "log show",
    .summary = "Prints what was decided and why, oldest first.",
    .usage = "--dir DIR [ID | --request ID] [--json]",
    .example = "  postern-broker log show --dir /var/lib/broker 1c0ffee0d15ea5e0\n",
    .run = run,
};
