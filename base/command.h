/*
 * Commands with verbs and options, for the programs that run on a host: one look for all of them.
 *
 * A program is a table of verbs, a verb a table of options; both make the --help texts. This file and log.h are the two
 * of this room that write to the terminal; libraries use neither.
 */
#pragma once

#include "base/base.h"

/* Exit codes that all verbs share; each manual page lists its own. */
enum command_exit {
    COMMAND_OK = 0,
    COMMAND_MISUSE = 1, /* wrong arguments, or input that cannot be used */
};

struct command {
    const char *program; /* "postern" */
    const char *name;    /* "measure", "volume create" */
    const char *summary; /* one sentence */
    const char *usage;   /* what follows the name */
    const char *example; /* lines of a worked example */
    int (*run)(const struct command *command, int argc, char **argv);
};

/* A program's main(): finds the verb, runs it, returns the exit code. Ignores SIGPIPE. */
int command_main(const struct command *const *commands, size_t count, int argc, char **argv);

#define OPTION_MAX_VALUES 16
#define OPTION_MAX_ROWS 64

struct option_list {
    const char *values[OPTION_MAX_VALUES];
    size_t count;
};

enum option_kind {
    OPTION_FLAG, /* bool */
    OPTION_TEXT, /* const char * */
    OPTION_U64,  /* uint64_t, decimal or 0x…, from min to max (0: no limit) */
    OPTION_HEX,  /* `size` bytes in hexadecimal, 0x in front or not */
    OPTION_LIST, /* struct option_list; may be given several times, the others once */
};

struct option_row {
    const char *name;     /* without the dashes */
    char letter;          /* -l for the same; 0: none */
    const char *argument; /* shown in --help; NULL for flags */
    const char *help; /* NULL: another row's help speaks of this one */
    enum option_kind kind;
    void *to; /* set when the option is given */
    bool required;
    bool may_be_empty; /* OPTION_TEXT */
    uint64_t min, max;
    size_t size;
    bool *given; /* may be NULL */
    const char *heading; /* a line above the row in --help, or NULL */
};

/*
 * A row of a table; what is behind `to` is named: OPTION("dir", "DIR", "where", OPTION_TEXT, &dir, .required = true).
 */
#define OPTION(row_name, row_argument, row_help, row_kind, row_to, ...)                                                \
    { .name = row_name, .argument = row_argument, .help = row_help, .kind = row_kind, .to = row_to, __VA_ARGS__ }

/*
 * Reads --name VALUE, --name=VALUE and -l VALUE. Words without dashes are positional: at most `max_positional`, the
 * rest of ret_positional is NULL. Prints --help itself. Returns 0 to go on, 1 when help was printed (exit with
 * COMMAND_OK), -EINVAL after saying what is wrong (exit with COMMAND_MISUSE).
 */
int command_options(const struct command *command, const struct option_row *rows, size_t row_count, int argc,
                    char **argv, const char **ret_positional, size_t max_positional) MUST_CHECK;

/* A whole decimal or 0x number: digits alone. Errors: -EINVAL. */
int command_parse_u64(const char *text, uint64_t *ret_value) MUST_CHECK;
