/* What the verbs share. */
#include "broker/verbs.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "broker/entry.h"
#include "broker/log-chain.h"

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

static int log_change(struct store *store, const char *event, const char *resource, const char *detail,
                      struct reason *why)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
    struct entry entry;
    int r = entry_init(&entry, "");

    if (r < 0)
        return r;
    entry_write_change(&entry, event, (unsigned)getuid(), resource, detail, &line);
    r = buffer_error(&line);
    return r < 0 ? r : log_chain_add(store, entry_ms(&entry), entry.request, line.data, line.size, why);
}

int verb_end_change(struct store *store, int error, const char *event, const char *resource, const char *detail,
                    struct reason *why)
{
    if (error == 0)
        error = log_change(store, event, resource, detail, why);
    if (error == 0)
        error = store_run(store, STORE_COMMIT, why);
    if (error < 0)
        store_rollback(store);
    return error;
}
