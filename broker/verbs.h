/* The verbs of the command line, one file for each subject, and what they share. */
#pragma once

#include "base/base.h"
#include "base/command.h"
#include "base/reason.h"
#include "broker/admin.h"
#include "broker/broker.h"
#include "broker/store.h"

extern const struct command verb_init;
extern const struct command verb_identity;
extern const struct command verb_volume_add;
extern const struct command verb_volume_list;
extern const struct command verb_volume_remove;
extern const struct command verb_volume_rotate;
extern const struct command verb_volume_grow;
extern const struct command verb_secret_add;
extern const struct command verb_allow;
extern const struct command verb_policy_set;
extern const struct command verb_policy_list;
extern const struct command verb_policy_show;
extern const struct command verb_policy_remove;
extern const struct command verb_leases;
extern const struct command verb_chip_add;
extern const struct command verb_chip_list;
extern const struct command verb_serve;
extern const struct command verb_log_show;
extern const struct command verb_log_verify;
extern const struct command verb_log_export;
extern const struct command verb_explain;
extern const struct command verb_backup;
extern const struct command verb_restore;

#define VERB_PROGRAM "postern-broker"
#define VERB_DIRECTORY(to) OPTION("dir", "DIR", "the broker's directory", OPTION_TEXT, to, .required = true)
#define VERB_CREDENTIALS(to)                                                                                           \
    OPTION("credentials", "DIR", "the key-encryption key is there: systemd's credentials", OPTION_TEXT, to)
#define VERB_RESOURCE(to)                                                                                              \
    OPTION("resource", "NAME", "the resource's name, as `volume list` prints it", OPTION_TEXT, to)
#define VERB_VOLUME(to) OPTION("volume", "ID", "or a volume's id, for default/volume/ID", OPTION_TEXT, to)

/*
 * Reads the options, then sees to it that memory for secrets can be had. false when there is nothing more to do:
 * *ret_exit is the exit code, after --help or a complaint. `words` as in command_options().
 */
bool verb_options(const struct command *command, const struct option_row *rows, size_t row_count, int argc, char **argv,
                  const char **words, size_t max_words, int *ret_exit) MUST_CHECK;

/* Prints the sentence of a failure and gives the exit code for a `return`. */
int verb_fail(int exit_code, const struct reason *why, int error);

/* The store in a broker's directory. Errors as store_open(). */
int verb_open_store(const char *directory, enum store_access mode, struct store **ret_store, struct reason *why)
    MUST_CHECK;

/*
 * The resource that is meant: its name, or the id of a volume. And the policy, where there is a name. false after a
 * complaint.
 */
bool verb_resource(struct admin_request *request, const char *resource, const char *volume) MUST_CHECK;
bool verb_policy(struct admin_request *request, const char *name) MUST_CHECK;
