/* The command line: finds the verb. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/secret.h"
#include "broker/verbs.h"

static const struct verb *const verbs[] = {
    &verb_init,          &verb_identity, &verb_volume_add,  &verb_volume_list, &verb_volume_remove,
    &verb_allow,         &verb_policy_show, &verb_serve,    &verb_log_show,
};

static const char help[] =
    "usage: postern-broker VERB [OPTION…]\n"
    "\n"
    "The reference key broker of Postern: releases disk keys to launches that it was told to allow.\n"
    "\n"
    "  init           makes a broker's directory: keys and an empty store\n"
    "  identity       prints what images have to pin\n"
    "  volume add     registers a volume record          volume list    lists them\n"
    "  volume remove  forgets one                        policy show    prints a volume's policy\n"
    "  allow          says which launches may have a volume\n"
    "  serve          answers guests                     log show       prints what was decided, and why\n"
    "\n"
    "postern-broker VERB --help tells more; postern-broker(1) tells all.\n"
    "Example: postern-broker init --dir /var/lib/broker && postern-broker identity --dir /var/lib/broker\n";

/* How many words of the command line are the verb's name: 0 when it is another. */
static int words_matched(const struct verb *verb, int argc, char **argv)
{
    const char *space = strchr(verb->name, ' ');
    size_t first = space ? (size_t)(space - verb->name) : strlen(verb->name);

    if (argc < 1 || strlen(argv[0]) != first || memcmp(argv[0], verb->name, first) != 0)
        return 0;
    if (!space)
        return 1;
    return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    log_set_name("postern-broker");
    /* Whatever this program makes holds keys or is beside them. */
    (void)umask(077);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(help, stdout);
        return BROKER_EXIT_GOOD;
    }
    if (secret_library_init() < 0) {
        log_error("memory for secrets cannot be locked: raise the limit of locked memory (ulimit -l, LimitMEMLOCK=)");
        return BROKER_EXIT_STATE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        int words = words_matched(verbs[i], argc - 1, argv + 1);

        if (words)
            return verbs[i]->run(verbs[i], argc - 1 - words, argv + 1 + words);
    }
    if (argc < 2)
        log_error("a verb is missing; postern-broker --help lists them");
    else
        log_error("unknown verb \"%s%s%s\"; postern-broker --help lists them", argv[1], argc > 2 ? " " : "",
                  argc > 2 ? argv[2] : "");
    return BROKER_EXIT_MISUSE;
}
