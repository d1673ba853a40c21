/* What the verbs share. */
#include "broker/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "broker/request.h"

bool verb_options(const struct command *command, const struct option_row *rows, size_t row_count, int argc, char **argv,
                  const char **words, size_t max_words, int *ret_exit)
{
    int r = command_options(command, rows, row_count, argc, argv, words, max_words);

    *ret_exit = r < 0 ? COMMAND_MISUSE : COMMAND_OK;
    if (r != 0)
        return false;
    if (secret_library_init() == 0)
        return true;
    log_error("memory for secrets cannot be locked: raise the limit of locked memory (ulimit -l, LimitMEMLOCK=)");
    *ret_exit = BROKER_EXIT_STATE;
    return false;
}

int verb_fail(int exit_code, const struct reason *why, int error)
{
    log_error("%s", reason_text(why, error));
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

bool verb_resource(struct admin_request *request, const char *resource, const char *volume)
{
    struct reason why = { "" };

    if (!resource == !volume) {
        log_error("expected either --resource NAME, or --volume ID for default/volume/ID");
        return false;
    }
    (void)snprintf(request->resource, sizeof(request->resource), "%s%s", volume ? "default/volume/" : "",
                   volume ? volume : resource);
    if (strlen(volume ? volume : resource) < sizeof(request->resource) - 16 &&
        request_resource_valid(request->resource))
        return true;
    (void)reason_set(&why, 0, "%s", volume ? volume : resource); /* printable */
    log_error("\"%.200s\" is not a resource's name, expected REPOSITORY/TYPE/TAG", why.text);
    return false;
}

bool verb_policy(struct admin_request *request, const char *name)
{
    struct reason why = { "" };

    if (!name)
        return true;
    if (policy_name_valid(name)) {
        (void)snprintf(request->policy, sizeof(request->policy), "%s", name);
        return true;
    }
    (void)reason_set(&why, 0, "%s", name);
    log_error("\"%.200s\" is not a policy's name, expected at most 64 letters, digits and .-_", why.text);
    return false;
}
