/*
 * cli/: the command `postern`, one file a verb, thin over the libraries. Its arguments are the user's own; the files
 * they name may come from anybody and go through the libraries' parsers.
 */
#pragma once

#include "base/command.h"

/* Exit codes of the verbs around attestation, besides 0 and 1. */
enum cli_exit {
    CLI_EXIT_SIGNATURE = 2,    /* signature or chain */
    CLI_EXIT_CERTIFICATES = 3, /* certificates are not to be had */
    CLI_EXIT_DEVICE = 6,       /* this guest's secure processor cannot be asked, or refuses */
};

extern const struct command verb_measure;
extern const struct command verb_manifest_create;
extern const struct command verb_volume_create;
extern const struct command verb_launch;
extern const struct command verb_timeline;
extern const struct command verb_report;
extern const struct command verb_certificates;
extern const struct command verb_fetch_ca;
extern const struct command verb_fetch_vlek_ca;
extern const struct command verb_fetch_vcek;
extern const struct command verb_fetch_crl;
extern const struct command verb_key;
extern const struct command verb_ok;
