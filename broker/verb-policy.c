/* allow; policy set, list, show, remove: which launches may have what the broker holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "broker/verbs.h"

/* Launch digests behind one --measurement. */
#define MAX_WORDS 512

_Static_assert(OPTION_MAX_VALUES + MAX_WORDS <= ADMIN_MAX_MEASUREMENTS, "all of them go into a request");

static int add_measurement(struct admin_request *request, const char *text, struct reason *why)
{
    if (hex_decode(text, strlen(text), request->measurements[request->measurement_count], MEASUREMENT_BYTES) < 0)
        return reason_set(why, -EINVAL, "\"%s\" is not a launch digest, expected %u hexadecimal digits", text,
                          2 * MEASUREMENT_BYTES);
    request->measurement_count++;
    return 0;
}

struct wishes {
    const char *words[MAX_WORDS + 1]; /* behind the options: launch digests too, behind those of --measurement */
    struct option_list measurements, keys;
    const char *manifest, *document, *use;
    uint64_t threshold;
};

static int fill(const struct wishes *wishes, struct admin_request *request, struct reason *why)
{
    unsigned ways = (wishes->measurements.count > 0) + (wishes->manifest != NULL) + (wishes->document != NULL) +
                    (wishes->use != NULL);
    int r = 0;

    if (ways != 1 || (!wishes->measurements.count && wishes->words[0]))
        return reason_set(why, -EINVAL, "expected one of --manifest, --measurement, --policy and --use; see "
                                        "postern-broker allow --help");
    if ((wishes->keys.count || wishes->threshold) && !wishes->manifest)
        return reason_set(why, -EINVAL, "--key and --threshold belong to --manifest");
    if (wishes->threshold && !wishes->keys.count)
        return reason_set(why, -EINVAL, "--threshold is said together with all keys: --key is missing");
    for (size_t i = 0; r == 0 && i < wishes->measurements.count; i++)
        r = add_measurement(request, wishes->measurements.values[i], why);
    for (size_t i = 0; r == 0 && wishes->words[i]; i++)
        r = add_measurement(request, wishes->words[i], why);
    if (r == 0 && wishes->document)
        r = admin_add_file(request, ADMIN_FILE_POLICY, wishes->document, why);
    if (r == 0 && wishes->manifest)
        r = admin_add_file(request, ADMIN_FILE_MANIFEST, wishes->manifest, why);
    for (size_t i = 0; r == 0 && i < wishes->keys.count; i++)
        r = admin_add_file(request, ADMIN_FILE_SIGNER, wishes->keys.values[i], why);
    request->threshold = (uint32_t)wishes->threshold;
    return r;
}

static int run_allow(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *volume = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_ALLOW };
    struct wishes wishes = { .manifest = NULL };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        VERB_RESOURCE(&resource),
        VERB_VOLUME(&volume),
        OPTION("manifest", "FILE", "every launch of this signed manifest", OPTION_TEXT, &wishes.manifest),
        OPTION("key", "FILE", "a public key that signs manifests; may be repeated", OPTION_LIST, &wishes.keys),
        OPTION("threshold", "N", "how many of the keys must have signed (all)", OPTION_U64, &wishes.threshold, .min = 1,
               .max = 16),
        OPTION("measurement", "HEX", "a launch digest of `postern measure`; more may follow", OPTION_LIST,
               &wishes.measurements),
        OPTION("policy", "FILE", "a whole policy instead (JSON, docs/policy.md)", OPTION_TEXT, &wishes.document),
        OPTION("use", "NAME", "the policy of that name instead (policy set)", OPTION_TEXT, &wishes.use),
    };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, wishes.words, MAX_WORDS, &exit_code))
        return exit_code;
    if (!verb_resource(&request, resource, volume) || !verb_policy(&request, wishes.use))
        return COMMAND_MISUSE;
    r = fill(&wishes, &request, &why);
    if (r == 0)
        return admin_run(directory, credentials, &request);
    admin_request_free(&request);
    return verb_fail(COMMAND_MISUSE, &why, r);
}

static int run_set(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *name = NULL, *path = NULL, *credentials = NULL;
    struct admin_request request = { .verb = ADMIN_POLICY_SET };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("name", "NAME", "of the policy", OPTION_TEXT, &name, .required = true),
        OPTION("file", "FILE", "the document (JSON, docs/policy.md)", OPTION_TEXT, &path, .required = true),
    };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_policy(&request, name))
        return COMMAND_MISUSE;
    r = admin_add_file(&request, ADMIN_FILE_POLICY, path, &why);
    if (r == 0)
        return admin_run(directory, credentials, &request);
    admin_request_free(&request);
    return verb_fail(COMMAND_MISUSE, &why, r);
}

static int run_list(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL;
    struct admin_request request = { .verb = ADMIN_POLICY_LIST };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("json", NULL, "one JSON object per line, with the document", OPTION_FLAG, &request.json),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    return admin_run(directory, NULL, &request);
}

static int run_show(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *volume = NULL, *name = NULL;
    struct admin_request request = { .verb = ADMIN_POLICY_SHOW };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_RESOURCE(&resource),
        VERB_VOLUME(&volume),
        OPTION("name", "NAME", "or the policy's own name", OPTION_TEXT, &name),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    if (!verb_policy(&request, name) || (!name && !verb_resource(&request, resource, volume)))
        return COMMAND_MISUSE;
    return admin_run(directory, NULL, &request);
}

static int run_remove(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *name = NULL;
    struct admin_request request = { .verb = ADMIN_POLICY_REMOVE };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        OPTION("name", "NAME", "of a policy that no resource needs", OPTION_TEXT, &name, .required = true),
    };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    return verb_policy(&request, name) ? admin_run(directory, NULL, &request) : COMMAND_MISUSE;
}

const struct command verb_allow = {
    .program = VERB_PROGRAM,
    .name = "allow",
    .summary = "Says which launches may have a volume. Manifests and launch digests join those that are there already.",
    .usage = "--dir DIR --volume ID (--manifest FILE | --measurement HEX… | --policy FILE | …)",
    .example = "  postern-broker allow --dir /var/lib/broker --volume data --manifest manifest.json --key signer.pem\n",
    .run = run_allow,
};

const struct command verb_policy_set = {
    .program = VERB_PROGRAM,
    .name = "policy set",
    .summary = "Keeps a policy document under a name, for resources that need it, in place of one that is there.",
    .usage = "--dir DIR --name NAME --file FILE",
    .example = "  postern-broker policy set --dir /var/lib/broker --name production --file policy.json\n",
    .run = run_set,
};

const struct command verb_policy_list = {
    .program = VERB_PROGRAM,
    .name = "policy list",
    .summary = "Lists the policies, and how many resources need each.",
    .usage = "--dir DIR [--json]",
    .example = "  postern-broker policy list --dir /var/lib/broker\n",
    .run = run_list,
};

const struct command verb_policy_show = {
    .program = VERB_PROGRAM,
    .name = "policy show",
    .summary = "Prints a policy document.",
    .usage = "--dir DIR (--volume ID | --resource NAME | --name NAME)",
    .example = "  postern-broker policy show --dir /var/lib/broker --volume data\n",
    .run = run_show,
};

const struct command verb_policy_remove = {
    .program = VERB_PROGRAM,
    .name = "policy remove",
    .summary = "Forgets a policy that nothing needs any more.",
    .usage = "--dir DIR --name NAME",
    .example = "  postern-broker policy remove --dir /var/lib/broker --name production\n",
    .run = run_remove,
};
