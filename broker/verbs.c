/* What the verbs share. */
#include "broker/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

int verb_fail(const struct verb *verb, int exit_code, const struct reason *why, int error)
{
    log_error("%s: %s", verb->name, reason_text(why, error));
    return exit_code;
}

int verb_open_store(const char *directory, enum store_access access, struct store **ret_store, struct reason *why)
{
    char path[KEYS_MAX_PATH];
    int r = keys_path(directory, STORE_FILE, path, why);

    if (r == 0)
        r = store_open(path, access, ret_store, why);
    if (r == -ENOENT)
        return reason_set(why, r, "%s: there is no broker here; postern-broker init --dir %s makes one", directory,
                          directory);
    return r;
}

int verb_finish(const struct verb *verb)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return BROKER_EXIT_GOOD;
    log_error("%s: standard output: %s", verb->name, strerror(errno));
    return BROKER_EXIT_STATE;
}
