/*
 * cli/: the command `postern`, one file a verb, thin over the libraries. Its arguments are the user's own; the files
 * they name may come from anybody and go through the libraries' parsers.
 */
#pragma once

#include "base/command.h"

extern const struct command verb_measure;
extern const struct command verb_manifest_create;
extern const struct command verb_volume_create;
extern const struct command verb_volume_inspect;
extern const struct command verb_launch;
extern const struct command verb_timeline;
