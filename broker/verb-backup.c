/* backup, restore: the store, while a server runs on it or not. The keys are files that change once in years. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/verbs.h"

/* Copies the store at `from`, whole and consistent, into a file that is not there yet. */
static int copy(const char *from, const char *to, struct reason *why)
{
    CLEANUP(store_close) struct store *store = NULL;
    int r;

    if (access(to, F_OK) == 0)
        return reason_set(why, -EEXIST, "%s: is there already", to);
    r = store_open(from, STORE_READ, &store, why);
    if (r == 0)
        r = store_copy(store, to, why);
    return r;
}

static int exit_code_of(int error)
{
    return error == -EEXIST || error == -ENOENT ? COMMAND_MISUSE : BROKER_EXIT_STATE;
}

static int run(const struct command *command, int argc, char **argv, bool restore)
{
    const char *directory = NULL, *file = NULL, *credentials = NULL;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("file", "FILE", "the backup", OPTION_TEXT, &file, .required = true),
    };
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    char path[KEYS_MAX_PATH];
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = keys_path(directory, STORE_FILE, path, &why);
    if (r == 0)
        r = keys_load(directory, credentials, &keys, &why);
    if (r == 0 && access(restore ? file : path, R_OK) < 0)
        r = reason_set(&why, -ENOENT, "%s: cannot be read: %s", restore ? file : path, strerror(errno));
    if (r == 0)
        r = restore ? copy(file, path, &why) : copy(path, file, &why);
    if (r < 0)
        return verb_fail(exit_code_of(r), &why, r);
    printf("%s: %s. postern-broker log verify --dir %s prints its head.\n", restore ? path : file,
           restore ? "restored" : "a backup of the store, without the keys", directory);
    return COMMAND_OK;
}

static int run_backup(const struct command *command, int argc, char **argv)
{
    return run(command, argc, argv, false);
}

static int run_restore(const struct command *command, int argc, char **argv)
{
    return run(command, argc, argv, true);
}

const struct command verb_backup = {
    .program = VERB_PROGRAM,
    .name = "backup",
    .summary = "Copies the store into a file, also while a server runs. The keys are to be copied once, elsewhere.",
    .usage = "--dir DIR --file FILE",
    .example = "  postern-broker backup --dir /var/lib/broker --file /backup/store-monday\n",
    .run = run_backup,
};

const struct command verb_restore = {
    .program = VERB_PROGRAM,
    .name = "restore",
    .summary = "Puts a backup of the store into a directory that has the broker's keys and no store.",
    .usage = "--dir DIR --file FILE",
    .example = "  postern-broker restore --dir /var/lib/broker --file /backup/store-monday\n",
    .run = run_restore,
};
