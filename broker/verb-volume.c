/* volume add, list, remove; secret add; leases: what the broker holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret-file.h"
#include "broker/request.h"
#include "broker/verbs.h"
#include "release/record.h"

#define MAX_RECORD_FILE_BYTES 1024

/* The name that a record's own id gives. Errors: -EINVAL. */
static int name_of(const char *path, char ret_name[RELEASE_MAX_RESOURCE_BYTES + 1], struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE, key = SECRET_NONE;
    struct record record;
    int r = secret_file_read(path, MAX_RECORD_FILE_BYTES, &bytes, why);

    if (r < 0)
        return r;
    r = record_parse(&bytes, &record, &key, why);
    if (r < 0) {
        reason_prefix(why, path);
        return r;
    }
    (void)snprintf(ret_name, RELEASE_MAX_RESOURCE_BYTES + 1, "default/volume/%s", record.volume_id);
    return 0;
}

/* What the two verbs that add something share; what they printed has no end yet. */
static int add(struct admin_request *request, const char *directory, const char *credentials, const char *path)
{
    struct reason why = { "" };
    int exit_code;
    int r = admin_add_file(request, ADMIN_FILE_CONTENT, path, &why);

    if (r < 0) {
        admin_request_free(request);
        return verb_fail(COMMAND_MISUSE, &why, r);
    }
    exit_code = admin_run(directory, credentials, request);
    if (exit_code != COMMAND_OK)
        return exit_code;
    if (request->policy[0] || request->next)
        printf("\n");
    else
        printf(" Nobody may have it yet:\npostern-broker allow --dir %s --resource %s --measurement HEX\n", directory,
               request->resource);
    return COMMAND_OK;
}

static int run_add(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *path = NULL, *resource = NULL, *policy = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_VOLUME_ADD };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("record", "FILE", "the record; must not be accessible to others", OPTION_TEXT, &path, .required = true),
        OPTION("resource", "NAME", "what guests ask for (default/volume/ and the volume's id)", OPTION_TEXT, &resource),
        OPTION("policy", "NAME", "the policy that it needs (policy set)", OPTION_TEXT, &policy),
        OPTION("next", NULL, "as a later version, with another key, of a volume that is there", OPTION_FLAG,
               &request.next),
    };
    char name[RELEASE_MAX_RESOURCE_BYTES + 1];
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = name_of(path, name, &why);
    if (r < 0)
        return verb_fail(COMMAND_MISUSE, &why, r);
    if (!verb_resource(&request, resource ? resource : name, NULL) || !verb_policy(&request, policy))
        return COMMAND_MISUSE;
    return add(&request, directory, credentials, path);
}

static int run_secret_add(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *path = NULL, *resource = NULL, *policy = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_SECRET_ADD };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("resource", "NAME", "what guests ask for: REPOSITORY/TYPE/TAG", OPTION_TEXT, &resource,
               .required = true),
        OPTION("file", "FILE", "the secret, 1 to 4096 bytes; must not be accessible to others", OPTION_TEXT, &path,
               .required = true),
        OPTION("policy", "NAME", "the policy that it needs (policy set)", OPTION_TEXT, &policy),
        OPTION("next", NULL, "in place of the secret that is there", OPTION_FLAG, &request.next),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_resource(&request, resource, NULL) || !verb_policy(&request, policy))
        return COMMAND_MISUSE;
    return add(&request, directory, credentials, path);
}

static int run_list(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_VOLUME_LIST };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("json", NULL, "one JSON object per line", OPTION_FLAG, &request.json),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    return admin_run(directory, credentials, &request);
}

static int run_leases(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *volume = NULL;
    struct admin_request request = { .verb = ADMIN_LEASES };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_RESOURCE(&resource),
        VERB_VOLUME(&volume),
        OPTION("json", NULL, "one JSON object per line", OPTION_FLAG, &request.json),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    return verb_resource(&request, resource, volume) ? admin_run(directory, NULL, &request) : COMMAND_MISUSE;
}

static int run_remove(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *volume = NULL;
    struct admin_request request = { .verb = ADMIN_VOLUME_REMOVE };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_RESOURCE(&resource),
        VERB_VOLUME(&volume),
        OPTION("version", "N", "this version alone", OPTION_U64, &request.version, .min = 1, .max = INT64_MAX),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_resource(&request, resource, volume))
        return COMMAND_MISUSE;
    exit_code = admin_run(directory, NULL, &request);
    if (exit_code == COMMAND_OK)
        printf("%s: removed\n", request.resource);
    return exit_code;
}

const struct command verb_volume_add = {
    .program = VERB_PROGRAM,
    .name = "volume add",
    .summary = "Registers a volume record, as `postern volume create` wrote it. Nobody gets it before `allow`.",
    .usage = "--dir DIR --record FILE [--resource NAME] [--policy NAME] [--next]",
    .example = "  postern-broker volume add --dir /var/lib/broker --record data.record\n",
    .run = run_add,
};

const struct command verb_volume_list = {
    .program = VERB_PROGRAM,
    .name = "volume list",
    .summary = "Lists the registered volumes and secrets, without what is secret in them.",
    .usage = "--dir DIR [--json]",
    .example = "  postern-broker volume list --dir /var/lib/broker\n",
    .run = run_list,
};

const struct command verb_volume_remove = {
    .program = VERB_PROGRAM,
    .name = "volume remove",
    .summary = "Forgets a volume or secret: its record, with the key in it, and the policy that is its alone.",
    .usage = "--dir DIR (--volume ID | --resource NAME) [--version N]",
    .example = "  postern-broker volume remove --dir /var/lib/broker --volume data\n",
    .run = run_remove,
};

const struct command verb_secret_add = {
    .program = VERB_PROGRAM,
    .name = "secret add",
    .summary = "Registers a plain secret (a passphrase, a key), which allowed guests get as it is, signed by nobody.",
    .usage = "--dir DIR --resource NAME --file FILE [--policy NAME] [--next]",
    .example = "  postern-broker secret add --dir /var/lib/broker --resource default/key/root --file passphrase\n",
    .run = run_secret_add,
};

const struct command verb_leases = {
    .program = VERB_PROGRAM,
    .name = "leases",
    .summary = "Lists the launches that have got a resource and were heard of within the lease.",
    .usage = "--dir DIR (--volume ID | --resource NAME) [--json]",
    .example = "  postern-broker leases --dir /var/lib/broker --volume data\n",
    .run = run_leases,
};
