/* init: a broker's directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/verbs.h"

static bool is_empty(DIR *directory)
{
    struct dirent *entry;

    while ((entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return false;
    return true;
}

/* Makes the directory, or takes an empty one over; holds it against others that do the same until it is closed. */
static int take_directory(const char *path, DIR **ret_directory, bool *ret_made, struct reason *why)
{
    DIR *directory;
    int r = 0;

    *ret_made = mkdir(path, 0700) == 0;
    if (!*ret_made && errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be made: %s", path, strerror(errno));
    directory = opendir(path);
    if (!directory)
        return reason_set(why, -errno, "%s: cannot be read: %s", path, strerror(errno));
    if (flock(dirfd(directory), LOCK_EX | LOCK_NB) < 0 || !is_empty(directory))
        r = reason_set(why, -EEXIST, "%s: is not empty; a broker is made in a directory of its own", path);
    else if (fchmod(dirfd(directory), 0700) < 0)
        r = reason_set(why, -errno, "%s: cannot be closed to others: %s", path, strerror(errno));
    if (r < 0) {
        (void)closedir(directory);
        return r;
    }
    *ret_directory = directory;
    return 0;
}

/* The store comes last: without it the directory is no broker's. */
static int fill(DIR *directory, const char *path, const char *store, struct reason *why)
{
    int r = keys_create(path, why);

    if (r == 0)
        r = store_create(store, why);
    if (r == 0 && fsync(dirfd(directory)) < 0)
        r = reason_set(why, -errno, "%s: cannot be synced: %s", path, strerror(errno));
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL;
    const struct option_row rows[] = {
        OPTION("dir", "DIR", "the broker's directory, made here; must not exist, or be empty", OPTION_TEXT, &directory,
               .required = true),
    };
    char store[KEYS_MAX_PATH];
    struct reason why = { "" };
    DIR *held = NULL;
    bool made = false;
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = keys_path(directory, STORE_FILE, store, &why);
    if (r < 0)
        return verb_fail(COMMAND_MISUSE, &why, r);
    r = take_directory(directory, &held, &made, &why);
    if (r < 0)
        return verb_fail(r == -EEXIST ? COMMAND_MISUSE : BROKER_EXIT_STATE, &why, r);
    r = fill(held, directory, store, &why);
    if (r < 0) {
        keys_remove(directory);
        store_remove(store);
        if (made)
            (void)rmdir(directory);
    }
    (void)closedir(held);
    if (r < 0)
        return verb_fail(BROKER_EXIT_STATE, &why, r);
    printf("%s: a broker is here. postern-broker identity --dir %s prints what images have to pin.\n", directory,
           directory);
    return COMMAND_OK;
}

const struct command verb_init = {
    .program = VERB_PROGRAM,
    .name = "init",
    .summary = "Makes a broker: its keys and an empty store.",
    .usage = "--dir DIR",
    .example = "  postern-broker init --dir /var/lib/broker\n",
    .run = run,
};
