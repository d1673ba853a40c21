/*
 * postern verify selftest: whether the launch in a self-test's file was what its release had published. The file is
 * anybody's: that its report is true is for the chain to show, and that its prediction is the release's for a manifest.
 */
#include <stdio.h>
#include <string.h>

#include "attest/purpose.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/verdict.h"

/* How the boot went, as the guest said; nobody signed that. */
static void print_boot(const struct selftest *selftest)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;

    printf("launch: %llu vCPUs of %s, %s; the boot, as the guest's console told it:\n",
           (unsigned long long)selftest->vcpus, selftest->vcpu_type,
           selftest->software ? "SOFTWARE PROCESSOR: no hardware was involved" : "SEV-SNP hardware");
    boot_record_draw(&selftest->record, &drawing);
    fputs(buffer_text(&drawing), stdout);
    if (selftest->record.refused)
        printf("  refused: %s: %s\n", selftest->record.code, selftest->record.detail);
}

int selftest_verify(const char *path, struct question *question)
{
    CLEANUP_FREE uint8_t *text = NULL;
    CLEANUP(selftest_free) struct selftest selftest = { .certificates = NULL };
    struct reason why = { "" };
    struct verdict verdict;
    size_t size = 0;
    int r = file_read(path, SELFTEST_MAX_BYTES, &text, &size, &why);

    if (r == 0) {
        r = selftest_parse(text, size, &selftest, &why);
        if (r < 0)
            reason_prefix(&why, path);
    }
    if (r == 0)
        r = purpose_report_data(PURPOSE_SELF, PURPOSE_SELF_LABEL, "", 0, question->report_data, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    question->report = path;
    question->selftest = &selftest;
    question->has_report_data = question->has_measurement = true;
    memcpy(question->measurement, selftest.predicted, sizeof(question->measurement));
    verdict_reach(question, &verdict);
    r = verdict_print(question, &verdict);
    if (!question->json)
        print_boot(&selftest);
    question->selftest = NULL; /* which ends here */
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct question question = { .report = NULL };
    const char *path = NULL;
    const struct option_row rows[] = {
        OPTION("certs", "PATH", "further certificates: directory, PEM, DER or a host's table; more may follow",
               OPTION_LIST, &question.certificates),
        OPTION("policy", "FILE", "a policy that must allow the launch, postern-policy(5)", OPTION_TEXT,
               &question.policy),
        OPTION("manifest", "FILE", "a manifest that the policy's signers signed; more may follow", OPTION_LIST,
               &question.manifests),
        VERDICT_ROWS(&question),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which file? usage: postern %s %s", command->name, command->usage);
        return COMMAND_MISUSE;
    }
    return selftest_verify(path, &question);
}

const struct command verb_verify_selftest = {
    .program = "postern",
    .name = "verify selftest",
    .summary = "Verifies the file of `postern host selftest`: that the launch was the one that was predicted.",
    .usage = "FILE [OPTION…]",
    .example = "  postern verify selftest epyc-7313.json --explain\n"
               "  postern manifest lookup \"$(jq -r .predicted epyc-7313.json)\" manifest.json\n",
    .run = run,
};
