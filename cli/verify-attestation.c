/*
 * postern verify attestation, with snpguest's words, and postern verify report, with a policy. Both verify everything:
 * no option leaves a check out but --allow-reserved, which says so in its name.
 */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/verdict.h"

static int answer(const struct question *question)
{
    struct verdict verdict;

    verdict_reach(question, &verdict);
    return verdict_print(question, &verdict);
}

/* Adds a path to the list, when there is room. */
static int add_path(struct option_list *list, const char *path)
{
    if (list->count == OPTION_MAX_VALUES) {
        log_error("more than %u files with certificates", OPTION_MAX_VALUES);
        return -1;
    }
    list->values[list->count++] = path;
    return 0;
}

static int run_attestation(const struct command *command, int argc, char **argv)
{
    struct question question = { .report = NULL };
    bool tcb_only = false, signature_only = false;
    const char *words[2];
    const struct option_row rows[] = {
        OPTION("measurement", "HEX", "the report's MEASUREMENT must be this", OPTION_HEX, question.measurement,
               .letter = 'm', .size = MEASUREMENT_BYTES, .given = &question.has_measurement),
        OPTION("host-data", "HEX", "its HOST_DATA", OPTION_HEX, question.host_data, .letter = 'd',
               .size = HOST_DATA_BYTES, .given = &question.has_host_data),
        OPTION("report-data", "HEX", "its REPORT_DATA", OPTION_HEX, question.report_data, .letter = 'r',
               .size = REPORT_DATA_BYTES, .given = &question.has_report_data),
        OPTION("processor-model", "NAME", "its processor: milan, genoa, bergamo, siena, turin", OPTION_TEXT,
               &question.product, .letter = 'p'),
        OPTION("tcb", NULL, "known to snpguest; leaves nothing unchecked here", OPTION_FLAG, &tcb_only, .letter = 't'),
        OPTION("signature", NULL, "known to snpguest; leaves nothing unchecked here", OPTION_FLAG, &signature_only,
               .letter = 's'),
        OPTION("crl", "FILE", "a revocation list, DER or PEM; more may follow", OPTION_LIST, &question.certificates),
        OPTION("policy", "FILE", "a policy that must allow the launch, postern-policy(5)", OPTION_TEXT,
               &question.policy),
        VERDICT_ROWS(&question),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, 2);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!words[1]) {
        log_error("expected a directory with certificates and a report; usage: postern %s %s", command->name,
                  command->usage);
        return COMMAND_MISUSE;
    }
    question.report = words[1];
    return add_path(&question.certificates, words[0]) < 0 ? COMMAND_MISUSE : answer(&question);
}

static int run_report(const struct command *command, int argc, char **argv)
{
    struct question question = { .report = NULL };
    struct option_list bundles = { .count = 0 };
    const struct option_row rows[] = {
        OPTION("policy", "FILE", "what must hold, postern-policy(5)", OPTION_TEXT, &question.policy, .required = true),
        OPTION("certs", "PATH", "certificates: directory, PEM, DER or a host's table; more may follow", OPTION_LIST,
               &question.certificates),
        OPTION("bundle", "FILE", "certificates and revocation lists of `postern fetch --bundle`", OPTION_LIST,
               &bundles),
        OPTION("manifest", "FILE", "a manifest that the policy's signers signed; more may follow", OPTION_LIST,
               &question.manifests),
        OPTION("report-data", "HEX", "the report's REPORT_DATA must be this: a nonce", OPTION_HEX, question.report_data,
               .size = REPORT_DATA_BYTES, .given = &question.has_report_data),
        VERDICT_ROWS(&question),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &question.report, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!question.report) {
        log_error("which report? usage: postern %s %s", command->name, command->usage);
        return COMMAND_MISUSE;
    }
    for (size_t i = 0; i < bundles.count; i++)
        if (add_path(&question.certificates, bundles.values[i]) < 0)
            return COMMAND_MISUSE;
    return answer(&question);
}

const struct command verb_verify_attestation = {
    .program = "postern",
    .name = "verify attestation",
    .summary = "Verifies a report with the certificates in a directory, up to AMD's root, which is built in.",
    .usage = "DIR REPORT [OPTION…]",
    .example = "  postern verify attestation ./certs report.bin --measurement $(cat digest) --explain\n",
    .run = run_attestation,
};

const struct command verb_verify_report = {
    .program = "postern",
    .name = "verify report",
    .summary = "Verifies a report and decides over it by a policy.",
    .usage = "REPORT --policy FILE [OPTION…]",
    .example = "  postern verify report report.bin --certs ./certs --policy policy.json --explain\n",
    .run = run_report,
};
