/* explain: a saved attestation, decided again, each check with what it found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/purpose.h"
#include "attest/verify.h"
#include "base/encode.h"
#include "base/file.h"
#include "broker/policy-cache.h"
#include "broker/verbs.h"
#include "broker/volumes.h"
#include "release/message.h"

#define MAX_EVIDENCE_BYTES (256u * 1024)

struct question {
    const char *path, *directory, *resource, *policy, *trust_root;
};

static void print_line(bool good, const char *name, const char *text)
{
    printf("%s   %-24s %s\n", good ? "good " : "WRONG", name, text);
}

static void print_check(const struct policy_check *check)
{
    if (check->passed)
        print_line(true, check->name, check->found);
    else
        printf("WRONG   %-24s wanted %s\n        %-24s found  %s\n", check->name, check->wanted, "", check->found);
}

static int read_message(const char *path, struct message_attestation *message, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, MAX_EVIDENCE_BYTES, &text, &size, why);

    if (r == 0) {
        r = message_parse_attestation(text, size, message, why);
        if (r < 0)
            reason_prefix(why, path);
    }
    return r;
}

/* The steps of verification up to the one that does not hold. */
static bool explain_report(const struct message_attestation *message, const struct trust_roots *roots,
                           struct verified *ret_verified)
{
    static const char *const names[] = {
        [VERIFY_LAYOUT] = "layout", [VERIFY_CERTIFICATE] = "certificates", [VERIFY_CHAIN] = "chain",
        [VERIFY_CHIP] = "chip and TCB", [VERIFY_SIGNATURE] = "signature", [VERIFY_DONE] = "",
    };
    struct reason why = { "" };
    enum verify_step failed;

    (void)!verify_report_step(message->evidence.report, REPORT_BYTES, &message->evidence.table, roots, time(NULL),
                              ret_verified, &failed, &why);
    for (int step = VERIFY_LAYOUT; step < (int)failed; step++)
        print_line(true, names[step], "");
    if (failed != VERIFY_DONE)
        print_line(false, names[failed], why.text);
    return failed == VERIFY_DONE;
}

/* Purpose and binding, as decide-attest.c has them. */
static bool explain_binding(const struct message_attestation *message, const struct report *report)
{
    CLEANUP_BUFFER struct buffer canonical = BUFFER_EMPTY;
    char text[HEX_TEXT_BYTES(REPORT_DATA_BYTES)];
    uint8_t wanted[REPORT_DATA_BYTES];
    bool bound;

    hex_encode(report->report_data, REPORT_DATA_BYTES, text);
    if (!purpose_is_release(report->report_data)) {
        print_line(false, "purpose", text + 2 * (REPORT_DATA_BYTES - 16));
        return false;
    }
    print_line(true, "purpose", "key release");
    message_write_canonical(message->nonce, &message->key, &canonical);
    bound = buffer_error(&canonical) == 0 &&
            purpose_report_data(PURPOSE_RELEASE, NULL, canonical.data, canonical.size, wanted, NULL) == 0 &&
            memcmp(wanted, report->report_data, REPORT_DATA_BYTES) == 0;
    print_line(bound, "report_data", bound ? "over the nonce and the key of the message" : text);
    return bound;
}

static int load_policy(const struct question *question, struct policy_entry *ret_entry, struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = VOLUME_NONE;
    CLEANUP(store_close) struct store *store = NULL;
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r;

    if (question->policy) {
        r = file_read(question->policy, POLICY_MAX_BYTES, &text, &size, why);
        return r < 0 ? r : policy_parse(text, size, &ret_entry->policy, why);
    }
    r = verb_open_store(question->directory, STORE_READ, &store, why);
    if (r == 0)
        r = volume_find(store, question->resource, &volume, why);
    if (r == 0 && !volume.policy.size)
        r = reason_set(why, -ENODATA, "%s: has no policy, so nobody may have it", question->resource);
    return r < 0 ? r : policy_entry_read(store, &volume.policy, &volume.manifests, ret_entry, why);
}

/* 0, or BROKER_EXIT_REFUSED when something would refuse it. */
static int explain(const struct message_attestation *message, const struct trust_roots *roots,
                   const struct policy_entry *policy)
{
    struct policy_decision decision = { .count = 0 };
    struct policy_facts facts;
    struct verified verified;

    if (!explain_report(message, roots, &verified))
        return BROKER_EXIT_REFUSED;
    if (!explain_binding(message, &verified.report))
        return BROKER_EXIT_REFUSED;
    facts = (struct policy_facts){ .report = &verified.report,
                                   .product = verified.product,
                                   .revocation_checked = verified.revocation_checked };
    policy_entry_facts(policy, &facts);
    policy_evaluate(&policy->policy, &facts, &decision);
    for (size_t i = 0; i < decision.count; i++)
        print_check(&decision.checks[i]);
    printf("%s\n", decision.failed ? "this launch would be refused" : "this launch would be given the volume");
    return decision.failed ? BROKER_EXIT_REFUSED : COMMAND_OK;
}

static int load_and_explain(const struct question *question)
{
    CLEANUP_FREE struct message_attestation *message = malloc(sizeof(*message));
    CLEANUP(policy_entry_free) struct policy_entry policy = POLICY_ENTRY_NONE;
    struct trust_roots *roots = NULL;
    struct reason why = { "" };
    int exit_code, r;

    if (!message)
        return verb_fail(BROKER_EXIT_STATE, &why, -ENOMEM);
    r = load_policy(question, &policy, &why);
    if (r == 0)
        r = question->trust_root ? trust_roots_file(question->trust_root, &roots, &why) : trust_roots_amd(&roots);
    if (r == 0)
        r = read_message(question->path, message, &why);
    exit_code = r < 0 ? verb_fail(COMMAND_MISUSE, &why, r) : explain(message, roots, &policy);
    trust_roots_free(&roots);
    return exit_code;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct question question = { .path = NULL };
    const struct option_row rows[] = {
        OPTION("dir", "DIR", "the broker's directory, for --resource", OPTION_TEXT, &question.directory),
        OPTION("resource", "NAME", "hold it against the policy of this volume", OPTION_TEXT, &question.resource),
        OPTION("policy", "FILE", "or against this policy document", OPTION_TEXT, &question.policy),
        OPTION("trust-root", "FILE", "trust this root instead of AMD's, for tests", OPTION_TEXT, &question.trust_root),
    };
    struct reason why = { "" };
    int exit_code;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, &question.path, 1, &exit_code))
        return exit_code;
    if (!question.path || !question.policy == !question.resource || !question.resource != !question.directory)
        return verb_fail(COMMAND_MISUSE, &why,
                         reason_set(&why, -EINVAL, "expected a file with evidence, and either --policy or --dir and "
                                                   "--resource; see postern-broker explain --help"));
    return load_and_explain(&question);
}

const struct command verb_explain = {
    .program = VERB_PROGRAM,
    .name = "explain",
    .summary = "Decides a saved attestation (serve --evidence-dir) again, and prints each check.",
    .usage = "EVIDENCE (--policy FILE | --dir DIR --resource NAME) [--trust-root FILE]",
    .example = "  postern-broker explain 1c0ffee0d15ea5e0.json --dir /var/lib/broker --resource default/volume/data\n",
    .run = run,
};
