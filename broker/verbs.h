/* The verbs of the command line, one file each, and what they share. */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "broker/broker.h"
#include "broker/options.h"
#include "broker/store.h"

extern const struct verb verb_init;
extern const struct verb verb_identity;
extern const struct verb verb_volume_add;
extern const struct verb verb_volume_list;
extern const struct verb verb_volume_remove;
extern const struct verb verb_allow;
extern const struct verb verb_policy_show;
extern const struct verb verb_serve;
extern const struct verb verb_log_show;

/* Prints the sentence of a failure and gives the exit code for a `return`. */
int verb_fail(const struct verb *verb, int exit_code, const struct reason *why, int error);

/* The store in a broker's directory. Errors as store_open(). */
int verb_open_store(const char *directory, enum store_access access, struct store **ret_store, struct reason *why)
    MUST_CHECK;

/* Flushes standard output; what was printed counts only when it arrived. */
int verb_finish(const struct verb *verb);
