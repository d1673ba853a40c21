/* The command line, from the user. */
#include "base/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

int command_parse_u64(const char *text, uint64_t *ret_value)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end = NULL;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    value = strtoull(text, &end, hex ? 16 : 10);
    if (errno || *end || (hex && !text[2]))
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static void print_help(const struct command *command, const struct option_row *rows, size_t row_count)
{
    printf("usage: %s %s %s\n\n%s\n\n", command->program, command->name, command->usage, command->summary);
    for (size_t i = 0; i < row_count; i++) {
        char left[48];

        (void)snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
        printf("  %-26s %s\n", left, rows[i].help);
    }
    printf("  %-26s %s\n\nexample:\n%s", "--help", "this text", command->example);
}

static const struct option_row *find(const struct option_row *rows, size_t row_count, const char *name, size_t size)
{
    for (size_t i = 0; i < row_count; i++)
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
            return &rows[i];
    return NULL;
}

static int store(const struct option_row *row, const char *value)
{
    struct option_list *list = row->to;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->to = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)row->to = value;
        return 0;
    case OPTION_U64:
        if (command_parse_u64(value, row->to) == 0)
            return 0;
        log_error("--%s: \"%s\" is not a number", row->name, value);
        return -EINVAL;
    case OPTION_LIST:
        if (list->count < OPTION_MAX_VALUES) {
            list->values[list->count++] = value;
            return 0;
        }
        log_error("--%s: given more than %u times", row->name, OPTION_MAX_VALUES);
        return -EINVAL;
    }
    return -EINVAL;
}

/* The option at argv[*at], with its value, which may be the next word. */
static int take_option(const struct command *command, const struct option_row *rows, size_t row_count, int argc,
                       char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = find(rows, row_count, name, size);

    if (!row) {
        log_error("unknown option --%.*s; `%s %s --help` lists the options", (int)size, name, command->program,
                  command->name);
        return -EINVAL;
    }
    if (row->kind == OPTION_FLAG) {
        if (!equals)
            return store(row, NULL);
        log_error("--%s takes no value", row->name);
        return -EINVAL;
    }
    if (equals)
        return store(row, equals + 1);
    if (*at + 1 >= argc) {
        log_error("--%s needs a value: %s", row->name, row->argument);
        return -EINVAL;
    }
    return store(row, argv[++*at]);
}

int command_options(const struct command *command, const struct option_row *rows, size_t row_count, int argc,
                    char **argv, const char **ret_positional, size_t max_positional)
{
    size_t positional = 0;
    bool only_words = false;

    for (size_t i = 0; i < max_positional; i++)
        ret_positional[i] = NULL;
    for (int at = 0; at < argc; at++) {
        if (only_words || strncmp(argv[at], "-", 1) != 0) {
            if (positional == max_positional) {
                log_error("unexpected word \"%s\"; usage: %s %s %s", argv[at], command->program, command->name,
                          command->usage);
                return -EINVAL;
            }
            ret_positional[positional++] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_help(command, rows, row_count);
            return 1;
        } else if (strncmp(argv[at], "--", 2) != 0) {
            log_error("unknown option %s; `%s %s --help` lists the options", argv[at], command->program, command->name);
            return -EINVAL;
        } else {
            int r = take_option(command, rows, row_count, argc, argv, &at);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void print_verbs(FILE *to, const struct command *const *commands, size_t count)
{
    const char *program = commands[0]->program;

    fprintf(to, "usage: %s VERB [OPTION…]\n\n", program);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n`%s VERB --help` explains a verb, %s(1) all of them.\n", program, program);
}

/* How many words of argv make the verb's name, 0 when they are others. */
static int match(const struct command *command, int argc, char **argv)
{
    const char *name = command->name;
    int words = 0;

    while (words < argc) {
        size_t size = strcspn(name, " ");

        if (strlen(argv[words]) != size || memcmp(argv[words], name, size) != 0)
            return 0;
        words++;
        name += size;
        if (!*name)
            return words;
        name++;
    }
    return 0;
}

int command_main(const struct command *const *commands, size_t count, int argc, char **argv)
{
    log_set_name(commands[0]->program);
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_verbs(stderr, commands, count);
        return COMMAND_MISUSE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_verbs(stdout, commands, count);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < count; i++) {
        int words = match(commands[i], argc - 1, argv + 1);

        if (words)
            return commands[i]->run(commands[i], argc - 1 - words, argv + 1 + words);
    }
    log_error("unknown verb \"%s\"; `%s --help` lists the verbs", argv[1], commands[0]->program);
    return COMMAND_MISUSE;
}
