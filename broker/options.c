/* Command lines; the operator writes them. */
#include "broker/options.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/broker.h"

#define MAX_OPTIONS 16

static const struct option_spec *find(const struct option_spec *specs, size_t count, const char *name, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(specs[i].name) == size && memcmp(specs[i].name, name, size) == 0)
            return &specs[i];
    return NULL;
}

static const struct option_spec *find_list(const struct option_spec *specs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (specs[i].kind == OPTION_LIST)
            return &specs[i];
    return NULL;
}

static bool take_number(const struct verb *verb, const struct option_spec *spec, const char *value)
{
    unsigned number = 0;
    const char *at = value;

    for (; *at >= '0' && *at <= '9' && number <= spec->max; at++)
        number = number * 10 + (unsigned)(*at - '0');
    if (at == value || *at || number < spec->min || number > spec->max) {
        log_error("%s: --%s is \"%s\", expected a number from %u to %u", verb->name, spec->name, value, spec->min,
                  spec->max);
        return false;
    }
    *spec->to.number = number;
    return true;
}

static bool take_word(const struct verb *verb, const struct option_spec *spec, const char *value)
{
    if (spec->to.list->count == OPTION_LIST_MAX) {
        log_error("%s: more than %u values for --%s", verb->name, OPTION_LIST_MAX, spec->name);
        return false;
    }
    spec->to.list->values[spec->to.list->count++] = value;
    return true;
}

static bool take_value(const struct verb *verb, const struct option_spec *spec, const char *value)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *spec->to.flag = true;
        return true;
    case OPTION_TEXT:
        *spec->to.text = value;
        return true;
    case OPTION_NUMBER:
        return take_number(verb, spec, value);
    case OPTION_LIST:
        return take_word(verb, spec, value);
    }
    return false;
}

static bool complain(const struct verb *verb, const char *problem, const char *what, size_t size)
{
    log_error("%s: %s %.*s; see postern-broker %s --help", verb->name, problem, (int)size, what, verb->name);
    return false;
}

/* One argument and what belongs to it; advances *at. */
static bool take_argument(const struct verb *verb, int argc, char **argv, int *at, const struct option_spec *specs,
                          size_t count, bool *given)
{
    const char *argument = argv[(*at)++];
    const struct option_spec *spec;
    const char *equals, *value = NULL;
    size_t size;

    if (strncmp(argument, "--", 2) != 0) {
        spec = find_list(specs, count);
        if (!spec || argument[0] == '-')
            return complain(verb, argument[0] == '-' ? "unknown option" : "unexpected word", argument,
                            strlen(argument));
        return take_word(verb, spec, argument);
    }
    equals = strchr(argument, '=');
    size = equals ? (size_t)(equals - argument) : strlen(argument);
    spec = find(specs, count, argument + 2, size - 2);
    if (!spec)
        return complain(verb, "unknown option", argument, size);
    if (given[spec - specs] && spec->kind != OPTION_LIST)
        return complain(verb, "given twice:", argument, size);
    given[spec - specs] = true;
    if (spec->kind == OPTION_FLAG ? equals != NULL : !equals && *at == argc)
        return complain(verb, equals ? "no value belongs to" : "a value is missing behind", argument, size);
    if (spec->kind != OPTION_FLAG)
        value = equals ? equals + 1 : argv[(*at)++];
    return take_value(verb, spec, value);
}

bool options_parse(const struct verb *verb, int argc, char **argv, const struct option_spec *specs, size_t count,
                   int *ret_exit)
{
    bool given[MAX_OPTIONS] = { false };

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(verb->help, stdout);
            *ret_exit = BROKER_EXIT_GOOD;
            return false;
        }
    }
    *ret_exit = BROKER_EXIT_MISUSE;
    for (int at = 0; at < argc;)
        if (!take_argument(verb, argc, argv, &at, specs, count, given))
            return false;
    for (size_t i = 0; i < count; i++) {
        if (specs[i].required && !given[i]) {
            log_error("%s: --%s is missing; see postern-broker %s --help", verb->name, specs[i].name, verb->name);
            return false;
        }
    }
    return true;
}
