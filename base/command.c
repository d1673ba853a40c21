/* The command line, from the user. */
#include "base/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/log.h"

/* The value of a digit, 99 for anything else. */
static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* Digits alone, where strtoull() would also take spaces, signs and a second 0x. */
int command_parse_u64(const char *text, uint64_t *ret_value)
{
    bool hex = strncasecmp(text, "0x", 2) == 0;
    unsigned base = hex ? 16 : 10;
    uint64_t value = 0;

    text += hex ? 2 : 0;
    if (!*text)
        return -EINVAL;
    for (; *text; text++)
        if (digit(*text) >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit(*text), &value))
            return -EINVAL;
    *ret_value = value;
    return 0;
}

/* One reading of a command line. */
struct reading {
    const struct command *command;
    const struct option_row *rows;
    size_t row_count;
    bool seen[OPTION_MAX_ROWS];
};

static void print_help(const struct reading *reading)
{
    const struct command *command = reading->command;

    printf("usage: %s %s %s\n\n%s\n\n", command->program, command->name, command->usage, command->summary);
    for (size_t i = 0; i < reading->row_count; i++) {
        const struct option_row *row = &reading->rows[i];
        char left[48];

        if (!row->help)
            continue;
        if (row->heading)
            printf("%s:\n", row->heading);
        if (row->letter)
            (void)snprintf(left, sizeof(left), "-%c, --%s %s", row->letter, row->name,
                           row->argument ? row->argument : "");
        else
            (void)snprintf(left, sizeof(left), "--%s %s", row->name, row->argument ? row->argument : "");
        printf("  %-26s %s\n", left, row->help);
    }
    printf("  %-26s %s\n\nexample:\n%s", "--help", "this text", command->example);
}

static int store_u64(const struct option_row *row, const char *value)
{
    uint64_t most = row->max ? row->max : UINT64_MAX, number = 0;

    if (command_parse_u64(value, &number) < 0 || number < row->min || number > most) {
        log_error("--%s \"%s\": expected a number from %llu to %llu, decimal or 0x and hexadecimal", row->name, value,
                  (unsigned long long)row->min, (unsigned long long)most);
        return -EINVAL;
    }
    *(uint64_t *)row->to = number;
    return 0;
}

static int store_hex(const struct option_row *row, const char *value)
{
    size_t length;

    if (strncasecmp(value, "0x", 2) == 0)
        value += 2;
    length = strlen(value);
    if (hex_decode(value, length, row->to, row->size) == 0)
        return 0;
    if (length != 2 * row->size)
        log_error("--%s: %zu characters, expected %zu hexadecimal digits (%zu bytes)", row->name, length,
                  2 * row->size, row->size);
    else
        log_error("--%s: something else than hexadecimal digits in \"%s\"", row->name, value);
    return -EINVAL;
}

static int store_in_list(const struct option_row *row, const char *value)
{
    struct option_list *list = row->to;

    if (list->count == OPTION_MAX_VALUES) {
        log_error("--%s: given more than %u times", row->name, OPTION_MAX_VALUES);
        return -EINVAL;
    }
    list->values[list->count++] = value;
    return 0;
}

static int store(const struct option_row *row, const char *value)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->to = true;
        return 0;
    case OPTION_TEXT:
        if (!*value && !row->may_be_empty) {
            log_error("--%s: expected %s, found nothing", row->name, row->argument);
            return -EINVAL;
        }
        *(const char **)row->to = value;
        return 0;
    case OPTION_U64:
        return store_u64(row, value);
    case OPTION_HEX:
        return store_hex(row, value);
    case OPTION_LIST:
        return store_in_list(row, value);
    }
    return -EINVAL;
}

static int refuse_unknown(const struct reading *reading, const char *option, size_t size)
{
    log_error("unknown option %.*s; `%s %s --help` lists the options", (int)size, option, reading->command->program,
              reading->command->name);
    return -EINVAL;
}

/* Whether a word of that size is --name, or -letter. */
static bool names(const struct option_row *row, const char *word, size_t size)
{
    if (word[1] != '-')
        return size == 2 && row->letter && word[1] == row->letter;
    return strlen(row->name) + 2 == size && memcmp(row->name, word + 2, size - 2) == 0;
}

/* The row of the option in a word that starts with a dash. */
static const struct option_row *find(struct reading *reading, const char *word, size_t size)
{
    for (size_t i = 0; i < reading->row_count; i++) {
        const struct option_row *row = &reading->rows[i];

        if (!names(row, word, size))
            continue;
        if (reading->seen[i] && row->kind != OPTION_LIST) {
            log_error("--%s: given twice", row->name);
            return NULL;
        }
        reading->seen[i] = true;
        if (row->given)
            *row->given = true;
        return row;
    }
    (void)refuse_unknown(reading, word, size);
    return NULL;
}

/* The option at argv[*at], with its value, which may be the next word. */
static int take_option(struct reading *reading, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    const struct option_row *row = find(reading, word, equals ? (size_t)(equals - word) : strlen(word));

    if (!row)
        return -EINVAL;
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

static int check_required(const struct reading *reading)
{
    for (size_t i = 0; i < reading->row_count; i++)
        if (reading->rows[i].required && !reading->seen[i]) {
            log_error("--%s is missing; `%s %s --help` shows an example", reading->rows[i].name,
                      reading->command->program, reading->command->name);
            return -EINVAL;
        }
    return 0;
}

int command_options(const struct command *command, const struct option_row *rows, size_t row_count, int argc,
                    char **argv, const char **ret_positional, size_t max_positional)
{
    struct reading reading = { .command = command, .rows = rows, .row_count = row_count };
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
            print_help(&reading);
            return 1;
        } else {
            int r = take_option(&reading, argc, argv, &at);

            if (r < 0)
                return r;
        }
    }
    return check_required(&reading);
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

/* What a verb printed has to have arrived. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    log_error("standard output cannot be written: %s", strerror(errno));
    return code ? code : COMMAND_MISUSE;
}

int command_main(const struct command *const *commands, size_t count, int argc, char **argv)
{
    const struct command *chosen = NULL;
    int words = 0;

    log_set_name(commands[0]->program);
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_verbs(stderr, commands, count);
        return COMMAND_MISUSE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_verbs(stdout, commands, count);
        return finish(COMMAND_OK);
    }
    for (size_t i = 0; i < count; i++) { /* "host selftest" goes before "host" */
        int matched = match(commands[i], argc - 1, argv + 1);

        if (matched > words) {
            words = matched;
            chosen = commands[i];
        }
    }
    if (chosen)
        return finish(chosen->run(chosen, argc - 1 - words, argv + 1 + words));
    log_error("unknown verb \"%s\"; `%s --help` lists the verbs", argv[1], commands[0]->program);
    return COMMAND_MISUSE;
}
