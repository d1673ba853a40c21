/* From files to a verdict. Report and certificates are hostile; the policy is the user's. */
#include "cli/verdict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/file.h"
#include "cli/manifest-file.h"

/* snpguest's spelling of processor models; two of them have another one's keys. */
static enum product product_of(const char *name)
{
    static const struct {
        const char *name;
        enum product product;
    } models[] = {
        { "milan", PRODUCT_MILAN },   { "genoa", PRODUCT_GENOA },  { "bergamo", PRODUCT_GENOA },
        { "bergano", PRODUCT_GENOA }, { "siena", PRODUCT_GENOA }, { "sienna", PRODUCT_GENOA },
        { "turin", PRODUCT_TURIN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        if (strcasecmp(name, models[i].name) == 0)
            return models[i].product;
    return PRODUCT_UNKNOWN;
}

static void give(struct verdict *verdict, int exit_code, const char *code)
{
    verdict->exit_code = exit_code;
    verdict->code = code;
}

/* The report is read before anything about it is refused: what it says of itself is part of every verdict. */
static int read_report(const struct question *question, struct evidence *evidence, struct verdict *verdict)
{
    const struct selftest *selftest = question->selftest;
    int r = selftest ? evidence_take_report(evidence, question->report, selftest->report, REPORT_BYTES, &verdict->why)
                     : evidence_read_report(evidence, question->report, &verdict->why);
    struct reason why = { "" };

    if (!evidence->has_report)
        return r;
    verdict->parsed = report_parse(evidence->report, REPORT_BYTES, &verdict->report, &why) == 0;
    if (r == 0 && !verdict->parsed) {
        verdict->code = "report";
        verdict->why = why;
        return -EBADMSG;
    }
    return r;
}

/* A damaged report is input that cannot be used; damaged certificates are a chain that does not hold. */
static int read_evidence(const struct question *question, struct evidence *evidence, struct verdict *verdict)
{
    int r = evidence_time(question->at, &verdict->at, &verdict->why);

    if (r == 0 && question->product && product_of(question->product) == PRODUCT_UNKNOWN)
        r = reason_set(&verdict->why, -EINVAL,
                       "--processor-model \"%s\": expected milan, genoa, bergamo, siena or turin", question->product);
    if (r == 0)
        r = read_report(question, evidence, verdict);
    if (r < 0)
        return r;
    if (question->selftest && question->selftest->certificates)
        r = evidence_take(evidence, question->report, question->selftest->certificates,
                          strlen(question->selftest->certificates), &verdict->why);
    for (size_t i = 0; r == 0 && i < question->certificates.count; i++)
        r = evidence_add(evidence, question->certificates.values[i], &verdict->why);
    if (r == -EBADMSG)
        give(verdict, VERIFY_EXIT_SIGNATURE, "chain");
    return r;
}

static int read_policy(const char *path, struct policy *ret_policy, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, POLICY_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = policy_parse(text, size, ret_policy, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static void verify(const struct question *question, const struct evidence *evidence, const struct trust_roots *roots,
                   struct verdict *verdict)
{
    static const char *const codes[] = {
        [VERIFY_LAYOUT] = "report", [VERIFY_CERTIFICATE] = "certificates", [VERIFY_CHAIN] = "chain",
        [VERIFY_CHIP] = "chip",     [VERIFY_SIGNATURE] = "signature",      [VERIFY_DONE] = "good",
    };
    const struct verify_options options = { .at = verdict->at, .allow_reserved = question->allow_reserved };
    enum verify_step step;
    int r = evidence_compare_roots(evidence, roots, &verdict->why);

    if (r < 0) {
        give(verdict, evidence_exit_code(r), "root");
        return;
    }
    r = verify_report_with(evidence->report, REPORT_BYTES, &evidence->table, roots, &options, &verdict->result, &step,
                           &verdict->why);
    verdict->verified = r == 0;
    give(verdict, evidence_exit_code(r), r == -EKEYREVOKED ? "revoked" : codes[step]);
}

static void expect(struct verdict *verdict, const char *name, const uint8_t *wanted, const uint8_t *found, size_t size)
{
    struct policy_decision *decision = &verdict->decision;
    struct policy_check *check = &decision->checks[decision->count++];

    *check = (struct policy_check){ .name = name, .passed = memcmp(wanted, found, size) == 0 };
    hex_encode(wanted, size, check->wanted);
    hex_encode(found, size, check->found);
    if (!check->passed && !decision->failed)
        decision->failed = check;
}

/* What the command line expects, after what the policy asks for. */
static void check_expected(const struct question *question, struct verdict *verdict)
{
    const struct report *report = &verdict->result.report;
    struct policy_decision *decision = &verdict->decision;

    if (question->product) {
        struct policy_check *check = &decision->checks[decision->count++];
        enum product wanted = product_of(question->product);

        *check = (struct policy_check){ .name = "product", .passed = verdict->result.product == wanted };
        (void)snprintf(check->wanted, sizeof(check->wanted), "%s", product_name(wanted));
        (void)snprintf(check->found, sizeof(check->found), "%s", product_name(verdict->result.product));
        if (!check->passed && !decision->failed)
            decision->failed = check;
    }
    if (question->has_measurement)
        expect(verdict, "measurement", question->measurement, report->measurement, MEASUREMENT_BYTES);
    if (question->has_host_data)
        expect(verdict, "host_data", question->host_data, report->host_data, HOST_DATA_BYTES);
    if (question->has_report_data)
        expect(verdict, "report_data", question->report_data, report->report_data, REPORT_DATA_BYTES);
}

/* What a manifest says of this launch digest, once enough of the signers vouch for it. */
static int look_up(const char *path, const struct dsse_keys *keys, size_t threshold, const uint8_t *measurement,
                   struct policy_facts *facts, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    struct dsse_verdict signatures;
    int r = manifest_file_verify(path, keys, threshold, &file, &signatures, why);

    if (r < 0 || manifest_find(file.manifest, measurement) == MANIFEST_NO_ARTEFACT)
        return r;
    facts->in_manifest = true;
    facts->manifest_coverage =
        file.manifest->roles[MANIFEST_KERNEL] == MANIFEST_NO_ARTEFACT ? COVERAGE_FIRMWARE_ONLY : COVERAGE_IMAGE;
    return 0;
}

static int read_manifests(const struct question *question, const struct policy *policy, struct policy_facts *facts,
                          struct verdict *verdict)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    int r = policy_signer_keys(policy, &keys, &verdict->why);

    for (size_t i = 0; r == 0 && !facts->in_manifest && i < question->manifests.count; i++)
        r = look_up(question->manifests.values[i], &keys, policy->signer_threshold, facts->report->measurement, facts,
                    &verdict->why);
    if (r < 0)
        give(verdict, r == -EKEYREJECTED ? VERIFY_EXIT_POLICY : COMMAND_MISUSE,
             r == -EKEYREJECTED ? "manifest" : "input");
    return r;
}

static void decide(const struct question *question, const struct policy *policy, struct verdict *verdict)
{
    struct policy_facts facts = { .report = &verdict->result.report,
                                  .product = verdict->result.product,
                                  .revocation_checked = verdict->result.revocation_checked };
    const struct policy_check *failed;

    if (policy && question->manifests.count && read_manifests(question, policy, &facts, verdict) < 0)
        return;
    if (policy)
        policy_evaluate(policy, &facts, &verdict->decision);
    check_expected(question, verdict);
    failed = verdict->decision.failed;
    if (!failed)
        return;
    (void)reason_set(&verdict->why, 0, "wanted %s, found %s", failed->wanted, failed->found);
    give(verdict, VERIFY_EXIT_POLICY, failed->name);
}

void verdict_reach(const struct question *question, struct verdict *ret_verdict)
{
    CLEANUP(evidence_free) struct evidence evidence = { .owned_count = 0 };
    CLEANUP(trust_roots_free) struct trust_roots *roots = NULL;
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    struct verdict *verdict = ret_verdict;
    int r;

    *verdict = (struct verdict){ .exit_code = COMMAND_MISUSE, .code = "input" };
    if (question->policy && read_policy(question->policy, &policy, &verdict->why) < 0)
        return;
    if (question->manifests.count && !policy.signer_count) {
        (void)reason_set(&verdict->why, 0, "--manifest: the policy names no signers of manifests (manifests.signers)");
        return;
    }
    r = read_evidence(question, &evidence, verdict);
    if (r == 0)
        r = evidence_roots(question->trust_root, &roots, &verdict->why);
    if (r < 0)
        return;
    verify(question, &evidence, roots, verdict);
    if (verdict->verified)
        decide(question, question->policy ? &policy : NULL, verdict);
}
