/* chip add, list: certificates of chips whose hosts give their guests none. */
#include <stdio.h>

#include "broker/verbs.h"

static int run_add(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *path = NULL;
    struct admin_request request = { .verb = ADMIN_CHIP_ADD };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("certificate", "FILE", "VCEK certificates, and their ASK unless it is AMD's: PEM, or one in DER",
               OPTION_TEXT, &path, .required = true),
    };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = admin_add_file(&request, ADMIN_FILE_CERTIFICATE, path, &why);
    if (r == 0)
        return admin_run(directory, NULL, &request);
    admin_request_free(&request);
    return verb_fail(COMMAND_MISUSE, &why, r);
}

static int run_list(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL;
    struct admin_request request = { .verb = ADMIN_CHIP_LIST };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("json", NULL, "one JSON object per line", OPTION_FLAG, &request.json),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    return admin_run(directory, NULL, &request);
}

const struct command verb_chip_add = {
    .program = VERB_PROGRAM,
    .name = "chip add",
    .summary = "Keeps the certificate of a chip, for guests whose host gives them none.",
    .usage = "--dir DIR --certificate FILE",
    .example = "  postern-broker chip add --dir /var/lib/broker --certificate certs/vcek.pem\n",
    .run = run_add,
};

const struct command verb_chip_list = {
    .program = VERB_PROGRAM,
    .name = "chip list",
    .summary = "Lists the chips whose certificates the broker has, with the TCB that each is for.",
    .usage = "--dir DIR [--json]",
    .example = "  postern-broker chip list --dir /var/lib/broker\n",
    .run = run_list,
};
