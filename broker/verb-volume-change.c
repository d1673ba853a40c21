/* volume rotate, volume grow: records that their guests carry out. */
#include <errno.h>
#include <stdio.h>

#include "broker/rotation.h"
#include "broker/verbs.h"
#include "broker/volumes.h"

struct request {
    const char *directory, *credentials, *resource;
    uint64_t length; /* 0: a rotation */
};

static int change(const struct request *request, struct reason *why)
{
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    CLEANUP(store_close) struct store *store = NULL;
    char detail[40] = "";
    int r = verb_open_store(request->directory, STORE_WRITE, &store, why);

    if (r == 0)
        r = keys_load(request->directory, request->credentials, &keys, why);
    if (r == 0)
        r = store_run(store, STORE_BEGIN, why);
    if (r < 0)
        return r;
    if (!request->length) {
        r = rotation_begin(store, &keys.kek, request->resource, why);
        return verb_end_change(store, r, "volume-rotate", request->resource, NULL, why);
    }
    r = rotation_grow(store, &keys.kek, request->resource, request->length, why);
    (void)snprintf(detail, sizeof(detail), "%llu bytes", (unsigned long long)request->length);
    return verb_end_change(store, r, "volume-grow", request->resource, detail, why);
}

static int finish(int error, const struct reason *why)
{
    return verb_fail(error == -EINVAL || error == -ENODATA ? COMMAND_MISUSE : BROKER_EXIT_STATE, why, error);
}

static int run_rotate(const struct command *command, int argc, char **argv)
{
    struct request request = { .length = 0 };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&request.directory),
        VERB_CREDENTIALS(&request.credentials),
        VERB_RESOURCE(&request.resource),
    };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = change(&request, &why);
    if (r < 0)
        return finish(r, &why);
    printf("%s: has another key; the next guests re-encrypt its disk, and the key before is kept until one confirms the "
           "end\n", request.resource);
    return COMMAND_OK;
}

static int run_grow(const struct command *command, int argc, char **argv)
{
    struct request request = { .length = 0 };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&request.directory),
        VERB_CREDENTIALS(&request.credentials),
        VERB_RESOURCE(&request.resource),
        OPTION("length", "BYTES", "what the volume shall have; its disk has to be larger before", OPTION_U64,
          &request.length, .required = true, .min = 1, .max = INT64_MAX / 2),
    };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = change(&request, &why);
    if (r < 0)
        return finish(r, &why);
    printf("%s: has %llu bytes; the next guest makes its file system larger\n", request.resource,
           (unsigned long long)request.length);
    return COMMAND_OK;
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
    .example = "  postern-broker volume grow --dir /var/lib/broker --resource default/volume/data --length 1073741824\n",
    .run = run_grow,
};
