/* init: a broker's directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "broker/verbs.h"

static const char help[] =
    "usage: postern-broker init --dir DIR\n"
    "\n"
    "Makes the broker's directory: TLS key and certificate, the key that signs volume records, the key that\n"
    "encrypts them in the store, and the empty store. DIR must not exist, or be empty. Nothing is left behind\n"
    "when it fails, and nothing is ever overwritten.\n"
    "\n"
    "  --dir DIR   the directory; whoever can read it has every key that is registered here\n"
    "\n"
    "Example: postern-broker init --dir /var/lib/broker\n";

/* Whether nothing lies in the directory. Errors: -errno. */
static int is_empty(const char *directory, bool *ret_empty)
{
    DIR *open = opendir(directory);
    struct dirent *entry;
    bool empty = true;

    if (!open)
        return -errno;
    while ((entry = readdir(open)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    (void)closedir(open);
    *ret_empty = empty;
    return 0;
}

/* Makes the directory, or takes an empty one over. */
static int take_directory(const char *directory, bool *ret_made, struct reason *why)
{
    bool empty = false;
    int r;

    *ret_made = mkdir(directory, 0700) == 0;
    if (*ret_made)
        return 0;
    if (errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be made: %s", directory, strerror(errno));
    r = is_empty(directory, &empty);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be read: %s", directory, strerror(-r));
    if (!empty)
        return reason_set(why, -EEXIST, "%s: is not empty; a broker is made in a directory of its own", directory);
    if (chmod(directory, 0700) < 0)
        return reason_set(why, -errno, "%s: cannot be closed to others: %s", directory, strerror(errno));
    return 0;
}

/* The store comes last: without it the directory is no broker's. */
static int fill(const char *directory, const char *store, struct reason *why)
{
    CLEANUP_FD int fd = -1;
    int r = keys_create(directory, why);

    if (r == 0)
        r = store_create(store, why);
    if (r < 0)
        return r;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return reason_set(why, -errno, "%s: cannot be synced: %s", directory, strerror(errno));
    return 0;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    const char *directory = NULL;
    const struct option_spec specs[] = { { .name = "dir", .kind = OPTION_TEXT, .required = true, .to.text = &directory } };
    char store[KEYS_MAX_PATH];
    struct reason why = { "" };
    bool made = false;
    int exit_code, r;

    if (!options_parse(verb, argc, argv, specs, ARRAY_SIZE(specs), &exit_code))
        return exit_code;
    r = keys_path(directory, STORE_FILE, store, &why);
    if (r < 0)
        return verb_fail(verb, BROKER_EXIT_MISUSE, &why, r);
    r = take_directory(directory, &made, &why);
    if (r < 0)
        return verb_fail(verb, r == -EEXIST ? BROKER_EXIT_MISUSE : BROKER_EXIT_STATE, &why, r);
    r = fill(directory, store, &why);
    if (r < 0) {
        keys_remove(directory);
        store_remove(store);
        if (made)
            (void)rmdir(directory);
        return verb_fail(verb, BROKER_EXIT_STATE, &why, r);
    }
    printf("%s: a broker is here. postern-broker identity --dir %s prints what images have to pin.\n", directory,
           directory);
    return verb_finish(verb);
}

const struct verb verb_init = { "init", help, run };
