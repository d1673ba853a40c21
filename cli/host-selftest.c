/*
 * postern host selftest: boots a release and writes one file by which anybody can verify that the launch was what had
 * been published. It runs this program's own verbs launch and fetch, so that a self-test is what a user's launch is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/guest.h"
#include "cli/image.h"
#include "cli/inputs.h"
#include "cli/launch-options.h"
#include "cli/launch-row.h"
#include "cli/verdict.h"

#define CONSOLE_MAX_BYTES (16u * 1024 * 1024)
#define PEM_MAX_BYTES (128u * 1024)
#define WORDS_MAX 64u

enum selftest_exit { SELFTEST_HOST = 7, SELFTEST_NO_REPORT = 8 };

struct run {
    const char *directory, *output, *kds, *trust_root;
    struct launch_options options;
    struct option_list certificates;
    char scratch[32];
    char console_path[64], report_path[64], chain_folder[64], bundle_path[64];
    struct host_report host;
    struct selftest selftest;
};

struct words {
    const char *at[WORDS_MAX];
    size_t count;
};

/* An option with its value, when it has one. */
static void add(struct words *words, const char *option, const char *value)
{
    if (!value || words->count + 3 > WORDS_MAX)
        return;
    words->at[words->count++] = option;
    words->at[words->count++] = value;
}

/* Runs a verb of this program to its end. Returns its exit code, or -errno. */
static int run_verb(const struct words *words, struct reason *why)
{
    const struct child_start start = { .words = words->at, .output = -1, .keep = { -1, -1 } };
    pid_t pid = 0;
    int r = child_run(&start, &pid, why);

    if (r == 0)
        r = child_wait(pid);
    if (r < 0)
        return r;
    return WIFEXITED(r) ? WEXITSTATUS(r) : reason_set(why, -EIO, "postern %s was killed", words->at[1]);
}

static int launch(const struct run *run, struct reason *why)
{
    struct words words = { .at = { "/proc/self/exe", "launch", run->directory, "--until-workload" }, .count = 4 };
    char vcpus[24], memory[24], timeout[24];

    (void)snprintf(vcpus, sizeof(vcpus), "%llu", (unsigned long long)run->options.vcpus);
    (void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)run->options.memory_mib);
    (void)snprintf(timeout, sizeof(timeout), "%llu", (unsigned long long)run->options.boot_timeout_s);
    add(&words, "--psp", run->options.psp);
    add(&words, "--psp-dir", run->options.psp_dir);
    add(&words, "--psp-program", run->options.psp_program);
    add(&words, "--qemu", run->options.qemu);
    add(&words, "--vcpus", vcpus);
    add(&words, "--vcpu-type", run->selftest.vcpu_type);
    add(&words, "--memory", memory);
    add(&words, "--boot-timeout", timeout);
    add(&words, "--console", run->console_path);
    for (size_t i = 0; i < run->options.disks.count; i++)
        add(&words, "--disk", run->options.disks.values[i]);
    return run_verb(&words, why);
}

/* The chain, from AMD's service or in the files that the user has. */
static int take_chain(struct run *run, struct reason *why)
{
    CLEANUP_BUFFER struct buffer pem = BUFFER_EMPTY;
    CLEANUP(evidence_free) struct evidence evidence = { .owned_count = 0 };
    struct words words = { .at = { "/proc/self/exe", "fetch", "vcek", "pem", run->chain_folder, run->report_path },
                           .count = 6 };
    CLEANUP_FREE uint8_t *bundle = NULL;
    size_t size = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < run->certificates.count; i++)
        r = evidence_add(&evidence, run->certificates.values[i], why);
    if (r == 0 && run->certificates.count) {
        evidence_write_pem(&evidence, &pem);
        run->selftest.certificates = strdup(buffer_text(&pem));
        return buffer_error(&pem) < 0 || !run->selftest.certificates ? -ENOMEM : 0;
    }
    if (r < 0)
        return r;
    add(&words, "--bundle", run->bundle_path);
    add(&words, "--kds", run->kds);
    add(&words, "--trust-root", run->trust_root);
    r = file_write(run->report_path, 0600, run->selftest.report, REPORT_BYTES, why);
    if (r == 0)
        r = run_verb(&words, why);
    if (r != 0)
        return r < 0 ? r
                     : reason_set(why, -ENOKEY, "the chain is not to be had, as is said above; --certs names it, or "
                                                "postern fetch gets it on another machine");
    r = file_read(run->bundle_path, PEM_MAX_BYTES, &bundle, &size, why);
    if (r == 0)
        run->selftest.certificates = strndup((const char *)bundle, size);
    return r == 0 && !run->selftest.certificates ? -ENOMEM : r;
}

/* From the console to the file. */
static int conclude(struct run *run, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    CLEANUP_FREE uint8_t *console = NULL;
    size_t size = 0;
    int r = file_read(run->console_path, CONSOLE_MAX_BYTES, &console, &size, why);

    if (r < 0)
        return r;
    boot_record_add_all(&run->selftest.record, (const char *)console, size);
    if (run->selftest.record.report_size != REPORT_BYTES)
        return reason_set(why, -ENODATA, "the guest has said no report: %s%s%s",
                          run->selftest.record.refused ? run->selftest.record.code : "its console ends before",
                          run->selftest.record.refused ? ": " : "", run->selftest.record.detail);
    memcpy(run->selftest.report, run->selftest.record.report, REPORT_BYTES);
    r = take_chain(run, why);
    if (r < 0)
        return r;
    selftest_write(&run->selftest, run->selftest.software ? NULL : &run->host, (const char *)console, size, &text);
    if (buffer_error(&text) < 0)
        return buffer_error(&text);
    return file_write(run->output, 0644, text.data, text.size, why);
}

static int make_scratch(struct run *run, struct reason *why)
{
    memcpy(run->scratch, "/tmp/postern-XXXXXX", sizeof("/tmp/postern-XXXXXX"));
    if (!mkdtemp(run->scratch)) {
        run->scratch[0] = '\0';
        return reason_set(why, -errno, "/tmp: no directory can be made: %s", strerror(errno));
    }
    (void)snprintf(run->console_path, sizeof(run->console_path), "%s/console", run->scratch);
    (void)snprintf(run->report_path, sizeof(run->report_path), "%s/report.bin", run->scratch);
    (void)snprintf(run->chain_folder, sizeof(run->chain_folder), "%s/chain", run->scratch);
    (void)snprintf(run->bundle_path, sizeof(run->bundle_path), "%s/chain/bundle.pem", run->scratch);
    return 0;
}

static void remove_scratch(const struct run *run)
{
    static const char *const names[] = { "console", "report.bin", "chain/bundle.pem", "chain/vcek.pem", "chain/ask.pem",
                                         "chain/ark.pem", "chain/crl.pem", "chain" };

    for (size_t i = 0; run->scratch[0] && i < ARRAY_SIZE(names); i++) {
        char path[96];

        (void)snprintf(path, sizeof(path), "%s/%s", run->scratch, names[i]);
        (void)remove(path);
    }
    if (run->scratch[0])
        (void)rmdir(run->scratch);
}

/* The row's digest: the launch, which runs with the same words, holds the files against it. */
static int predict(struct run *run, struct reason *why)
{
    const struct launch_wish wish = { .vcpus = run->options.vcpus, .vcpu_type = run->selftest.vcpu_type,
                                      .features = SEV_FEATURE_SNP_ACTIVE };
    int r = launch_row_find(run->directory, &wish, run->selftest.predicted, why);

    run->selftest.vcpus = wish.vcpus;
    run->selftest.features = wish.features;
    return r == -ENOENT ? reason_set(why, r, "%s: has no manifest.json, which says what to expect", run->directory) : r;
}

static int selftest(struct run *run)
{
    const struct host_needs needs = { .root = "",
                                      .qemu = run->options.qemu,
                                      .memory_mib = run->options.memory_mib,
                                      .guests = 1 };
    struct question question = { .trust_root = run->trust_root };
    struct reason why = { "" };
    int r = predict(run, &why), code = COMMAND_MISUSE;

    if (r == 0 && !run->selftest.software) {
        host_look(&needs, &run->host);
        if (!host_ready(&run->host)) {
            host_print(&run->host, isatty(STDOUT_FILENO));
            return SELFTEST_HOST;
        }
    }
    if (r == 0)
        r = make_scratch(run, &why);
    if (r == 0)
        r = launch(run, &why);
    if (r > 0 && r != LAUNCH_REFUSED) { /* a refusal may have come after the report */
        remove_scratch(run);
        return SELFTEST_NO_REPORT; /* launch has said why */
    }
    if (r >= 0)
        r = conclude(run, &why);
    code = r == -ENODATA ? SELFTEST_NO_REPORT : r == -ENOKEY ? VERIFY_EXIT_CERTIFICATES : COMMAND_MISUSE;
    remove_scratch(run);
    selftest_free(&run->selftest);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return code;
    }
    log_info("%s: written; postern verify selftest verifies it anywhere", run->output);
    return selftest_verify(run->output, &question);
}

static int run_selftest(const struct command *command, int argc, char **argv)
{
    static struct run run = { .options = LAUNCH_OPTIONS_DEFAULT };
    const struct launch_options *o = &run.options;
    const struct option_row rows[] = {
        OPTION("output", "FILE", "the file to write", OPTION_TEXT, &run.output, .letter = 'o', .required = true),
        LAUNCH_OPTION_ROWS(run.options),
        OPTION("certs", "PATH", "the chain, instead of fetching it: directory, PEM, DER or a host's table",
               OPTION_LIST, &run.certificates),
        OPTION("kds", "URL", "where to fetch it (default: AMD's service)", OPTION_TEXT, &run.kds),
        OPTION("trust-root", "FILE", "a software processor's root instead of AMD's", OPTION_TEXT, &run.trust_root),
    };
    int r;

    run.options.psp = "hardware";
    r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &run.directory, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    run.selftest.software = strcmp(o->psp, "software") == 0;
    if (!run.directory)
        log_error("which release? usage: postern %s %s", command->name, command->usage);
    else if (!run.selftest.software && strcmp(o->psp, "hardware") != 0)
        log_error("--psp: \"%s\", expected software or hardware", o->psp);
    else if (strlen(o->vcpu_type) >= sizeof(run.selftest.vcpu_type))
        log_error("--vcpu-type: \"%s\", expected QEMU's name of a CPU type", o->vcpu_type);
    else {
        memcpy(run.selftest.vcpu_type, o->vcpu_type, strlen(o->vcpu_type) + 1);
        return selftest(&run);
    }
    return COMMAND_MISUSE;
}

const struct command verb_host_selftest = {
    .program = "postern",
    .name = "host selftest",
    .summary = "Boots a release and writes one file: predicted and measured digest, report, chain and timeline.",
    .usage = "DIR --output FILE [OPTION…]",
    .example = "  postern host selftest release/app --output selftest.json\n"
               "  postern verify selftest selftest.json\n",
    .run = run_selftest,
};
