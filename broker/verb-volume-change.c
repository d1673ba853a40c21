/* volume rotate, volume grow: records that their guests carry out. */
#include "broker/verbs.h"

static int run_rotate(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_VOLUME_ROTATE };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        VERB_RESOURCE(&resource),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_resource(&request, resource, NULL))
        return COMMAND_MISUSE;
    return admin_run(directory, credentials, &request);
}

static int run_grow(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_VOLUME_GROW };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        VERB_RESOURCE(&resource),
        OPTION("length", "BYTES", "what the volume shall have; its disk has to be larger before", OPTION_U64,
          &request.version, .required = true, .min = 1, .max = INT64_MAX / 2),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_resource(&request, resource, NULL))
        return COMMAND_MISUSE;
    return admin_run(directory, credentials, &request);
}

const struct command verb_volume_rotate = {
    .program = VERB_PROGRAM,
    .name = "volume rotate",
    .summary = "Gives a volume another key, under which its guests re-encrypt the disk while they run.",
    .usage = "--dir DIR --resource NAME",
    .example = "  postern-broker volume rotate --dir /var/lib/broker --resource default/volume/data\n",
    .run = run_rotate,
};

const struct command verb_volume_grow = {
    .program = VERB_PROGRAM,
    .name = "volume grow",
    .summary = "Gives a volume a greater length; its next guest makes the file system larger.",
    .usage = "--dir DIR --resource NAME --length BYTES",
    .example = "  postern-broker volume grow --dir /var/lib/broker --resource default/volume/data \\\n"
               "      --length 1073741824\n",
    .run = run_grow,
};
