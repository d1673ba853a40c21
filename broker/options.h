/*
 * Command lines: --name VALUE or --name=VALUE, each at most once unless it is a list. What is wrong is said in one
 * sentence on standard error.
 */
#pragma once

#include "base/base.h"

struct verb {
    const char *name; /* one or two words */
    const char *help; /* what --help prints: usage, options, an example; fits a screen */
    int (*run)(const struct verb *verb, int argc, char **argv);
};

#define OPTION_LIST_MAX 512

struct option_list {
    const char *values[OPTION_LIST_MAX];
    size_t count;
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_spec {
    const char *name;
    enum option_kind kind;
    bool required;
    union {
        bool *flag;
        const char **text;
        unsigned *number; /* min to max */
        struct option_list *list; /* takes words that belong to no option as well */
    } to;
    unsigned min, max;
};

/*
 * Reads argv[0] to argv[argc - 1]. false when there is nothing more to do: *ret_exit is the exit code, after --help or
 * a complaint.
 */
bool options_parse(const struct verb *verb, int argc, char **argv, const struct option_spec *specs, size_t count,
                   int *ret_exit) MUST_CHECK;
