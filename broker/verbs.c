/* What the verbs share. */
#include "broker/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

int verb_fail(const struct verb *verb, int exit_code, const struct reason *why, int error)
{
    log_error("%s: %s", verb->name, reason_text(why, error));
    return exit_code;
}

int verb_open_store(const char *directory, enum store_access mode, struct store **ret_store, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    int r = keys_path(directory, STORE_FILE, path, why);

    if (r < 0)
        return r;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return reason_set(why, -ENOENT, "%s: there is no broker here; postern-broker init --dir %s makes one",
                          directory, directory);
    return store_open(path, mode, ret_store, why);
}

int verb_finish(const struct verb *verb)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return BROKER_EXIT_GOOD;
    log_error("%s: standard output: %s", verb->name, strerror(errno));
    return BROKER_EXIT_STATE;
}
