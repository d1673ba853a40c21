/* What `postern measure` can do with what it has measured; one file each. Standard output is theirs. */
#pragma once

#include "cli/inputs.h"

/* Exit statuses besides COMMAND_OK and COMMAND_MISUSE. */
enum measure_exit {
    MEASURE_DIFFERS = 2, /* --diff: the digests differ; --against: another cause reproduces the digest */
    MEASURE_NO_CAUSE = 3, /* --against: nothing that was tried reproduces the digest */
};

/* --explain: contributions, kernel hashes, save areas. Returns an exit status. */
int measure_explain(const struct inputs_measured *measured, bool json);

/* --diff: contribution by contribution. Returns an exit status. */
int measure_diff(const struct inputs_measured *first, const struct inputs_measured *second, bool json);

/* --against: whether the digest is `wanted`, and if not why. Returns an exit status. */
int measure_against(const struct inputs *inputs, const struct inputs_measured *measured, const char *wanted, bool json);

/* --matrix: the axes as the user gave them, NULL for the defaults; lists are separated by commas. */
struct matrix_axes {
    const char *vcpus, *types, *signatures, *vmms, *features;
};

/* Errors: -EINVAL with a sentence. */
int matrix_read_axes(const struct matrix_axes *axes, struct matrix_plan *ret_plan, struct reason *why) MUST_CHECK;
int measure_matrix(const struct inputs_measured *measured, const struct matrix_plan *plan, bool csv);
