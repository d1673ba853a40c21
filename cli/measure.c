/* postern measure: the launch digest of an SEV guest, with sev-snp-measure's option names. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/measure.h"
#include "measure/explain.h"
#include "measure/firmware-metadata.h"

struct options {
    struct inputs inputs;
    const char *vcpus, *features; /* numbers, or with --matrix lists */
    bool family, model, stepping; /* given */
    const char *format, *against;
    bool explain, matrix, json, dump_vmsa;
};

#define MAX_ROWS 32

/* The rows are made anew for each set of options that they fill. */
static size_t make_rows(struct options *o, struct option_row *rows)
{
    struct inputs *in = &o->inputs;
    const struct option_row all[] = {
        OPTION("ovmf", "FILE", "firmware; for --kernel OVMF's AmdSev build", OPTION_TEXT, &in->firmware,
               .heading = "what is launched"),
        OPTION("kernel", "FILE", "kernel of a direct boot", OPTION_TEXT, &in->kernel, .may_be_empty = true),
        OPTION("initrd", "FILE", "its initrd", OPTION_TEXT, &in->initrd, .may_be_empty = true),
        OPTION("append", "TEXT", "its command line, byte for byte", OPTION_TEXT, &in->append, .may_be_empty = true),
        OPTION("vcpus", "N", "virtual CPUs, 1 to 512 (default 1)", OPTION_TEXT, &o->vcpus),
        OPTION("vcpu-type", "NAME", "QEMU's CPU type, EPYC-Milan for example, or host", OPTION_TEXT, &in->vcpu_type),
        OPTION("vcpu-sig", "N", "CPUID signature instead of a type", OPTION_TEXT, &in->vcpu_signature),
        OPTION("vcpu-family", "N", "instead of both, with --vcpu-model N --vcpu-stepping N", OPTION_U64,
               &in->vcpu_family, .max = 270, .given = &o->family),
        OPTION("vcpu-model", "N", NULL, OPTION_U64, &in->vcpu_model, .max = 255, .given = &o->model),
        OPTION("vcpu-stepping", "N", NULL, OPTION_U64, &in->vcpu_stepping, .max = 15, .given = &o->stepping),
        OPTION("guest-features", "N", "SEV_FEATURES (default 0x1)", OPTION_TEXT, &o->features),
        OPTION("mode", "MODE", "snp (default), snp:ovmf-hash, snp:svsm, seves, sev", OPTION_TEXT, &in->mode,
               .heading = "how it is launched"),
        OPTION("vmm-type", "VMM", "QEMU (default), QEMU-before-6.10, ec2, ec2-2023, gce", OPTION_TEXT, &in->vmm),
        OPTION("snp-ovmf-hash", "HEX", "the firmware's pages by their digest", OPTION_TEXT, &in->firmware_digest),
        OPTION("firmware-metadata", "FILE", "the firmware's tables: written, or read without --ovmf", OPTION_TEXT,
               &in->firmware_metadata),
        OPTION("svsm", "FILE", "SVSM, for --mode snp:svsm", OPTION_TEXT, &in->svsm),
        OPTION("vars-size", "N", "bytes of variables above it, or --vars-file FILE", OPTION_U64, &in->vars_size,
               .max = FIRMWARE_MAX_BYTES),
        OPTION("vars-file", "FILE", NULL, OPTION_TEXT, &in->vars_file),
        OPTION("output-format", "FORMAT", "hex (default), base64, json (or --json), csv for a table", OPTION_TEXT,
               &o->format, .heading = "what is printed"),
        OPTION("json", NULL, NULL, OPTION_FLAG, &o->json),
        OPTION("explain", NULL, "each contribution, the kernel hashes, the VMSAs", OPTION_FLAG, &o->explain),
        OPTION("against", "DIGEST", "why this digest is another one", OPTION_TEXT, &o->against),
        OPTION("matrix", NULL, "a table; --vcpus 1-8,16 and other lists are its axes", OPTION_FLAG, &o->matrix),
        OPTION("dump-vmsa", NULL, "writes vmsa0.bin, vmsa1.bin … into this directory", OPTION_FLAG, &o->dump_vmsa),
    };

    _Static_assert(ARRAY_SIZE(all) < MAX_ROWS, "room for all rows, and --diff");
    memcpy(rows, all, sizeof(all));
    return ARRAY_SIZE(all);
}

/* For --help, and for a --diff that stands where it cannot: what follows it was taken off before. */
static int read_options(const struct command *command, int argc, char **argv, struct options *o)
{
    struct option_row rows[MAX_ROWS];
    size_t count = make_rows(o, rows);
    bool diff = false;

    rows[count++] = (struct option_row)OPTION("diff", "OPTIONS", "against the same with these options changed",
                                              OPTION_FLAG, &diff);
    return command_options(command, rows, count, argc, argv, NULL, 0);
}

/* ---------------------------------------------------------------------------------------------------- plain digests */

static bool wants_json(const struct options *o)
{
    return o->json || strcmp(o->format, "json") == 0;
}

static void print_digest(const struct options *o, const struct inputs_measured *measured)
{
    size_t size = measured->digest_alone ? LAUNCH_DIGEST_BYTES : launch_digest_size(measured->launch.mode);
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], base64[BASE64_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    hex_encode(measured->digest, size, hex);
    (void)base64_encode(BASE64_STANDARD, measured->digest, size, base64);
    if (wants_json(o))
        printf("{\"digest\":\"%s\",\"vcpu_sig\":%u}\n", hex, measured->cpu_signature);
    else
        puts(strcmp(o->format, "base64") == 0 ? base64 : hex);
}

/* What was written before one that could not be is taken back. */
static int dump_vmsas(const struct launch_inputs *inputs, struct reason *why)
{
    uint8_t page[PAGE_BYTES];
    char name[32];

    if (inputs->mode == LAUNCH_SEV)
        return reason_set(why, -EINVAL, "--dump-vmsa: SEV has no VMSAs");
    for (uint32_t i = 0; i < inputs->vcpus; i++) {
        int r;

        launch_vmsa(inputs, i == 0, page);
        (void)snprintf(name, sizeof(name), "vmsa%u.bin", i);
        r = file_write(name, 0644, page, sizeof(page), why);
        for (; r < 0 && i > 0; i--) {
            (void)snprintf(name, sizeof(name), "vmsa%u.bin", i - 1);
            (void)unlink(name);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_metadata(const struct options *o, const struct inputs_measured *measured, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    if (measured->launch.mode != LAUNCH_SNP)
        return reason_set(why, -EINVAL, "--firmware-metadata is for --mode snp");
    firmware_metadata_encode(&measured->firmware.tables, &text);
    if (buffer_error(&text) < 0)
        return buffer_error(&text);
    return file_write(o->inputs.firmware_metadata, 0644, text.data, text.size, why);
}

static int write_files(const struct options *o, const struct inputs_measured *measured, struct reason *why)
{
    int r = 0;

    if (o->inputs.firmware && o->inputs.firmware_metadata)
        r = write_metadata(o, measured, why);
    if (r == 0 && o->dump_vmsa)
        r = dump_vmsas(&measured->launch, why);
    return r;
}

/* ---------------------------------------------------------------------------------------------------------- options */

static int parse_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (command_parse_u64(text, &value) < 0 || value < least || value > most) {
        log_error("%s \"%s\": expected a number from %llu to %llu, decimal or 0x and hexadecimal", option, text,
                  (unsigned long long)least, (unsigned long long)most);
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

/* The words that mean something together with others. */
static int check_options(struct options *o)
{
    const char *format = o->format;
    bool known = strcmp(format, "hex") == 0 || strcmp(format, "base64") == 0 || strcmp(format, "json") == 0;

    if (!known && !(o->matrix && strcmp(format, "csv") == 0))
        log_error("--output-format: \"%s\", expected hex, base64 or json%s", format,
                  strcmp(format, "csv") == 0 ? "; csv is for --matrix" : ", or csv with --matrix");
    else if (o->explain + o->matrix + !!o->against > 1)
        log_error("--explain, --matrix and --against: expected one of them");
    else if (o->family + o->model + o->stepping != 0 && o->family + o->model + o->stepping != 3)
        log_error("--vcpu-family, --vcpu-model and --vcpu-stepping belong together");
    else
        return 0;
    return -EINVAL;
}

static int finish_options(struct options *o)
{
    struct inputs *in = &o->inputs;

    if (check_options(o) < 0)
        return -EINVAL;
    in->has_family = o->family;
    in->streams = o->explain;
    if (o->matrix)
        return 0; /* lists, read as such */
    if (o->vcpus && parse_number("--vcpus", o->vcpus, 1, VCPUS_MAX, &in->vcpus) < 0)
        return -EINVAL;
    if (o->features && parse_number("--guest-features", o->features, 0, UINT64_MAX, &in->features) < 0)
        return -EINVAL;
    return 0;
}

static void warn_features(uint64_t features, const struct inputs_measured *measured)
{
    if (measured->launch.mode == LAUNCH_SNP && !measured->digest_alone && !(features & SEV_FEATURE_SNP_ACTIVE))
        log_info("--guest-features 0x%llx lacks bit 0: no SNP guest starts with it", (unsigned long long)features);
}

/* ------------------------------------------------------------------------------------------------------------ doing */

static int fail(int error, const struct reason *why)
{
    log_error("%s", reason_text(why, error));
    return COMMAND_MISUSE;
}

/* The lists are taken off the inputs, which stand for the first row of the table. */
static int do_matrix(struct options *o)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    struct inputs *in = &o->inputs;
    struct matrix_axes axes = { o->vcpus, in->vcpu_type, in->vcpu_signature,
                                strcmp(in->vmm, "QEMU") == 0 ? NULL : in->vmm, o->features };
    struct matrix_plan plan;
    struct reason why = { "" };
    int r = matrix_read_axes(&axes, &plan, &why);

    if (r < 0)
        return fail(r, &why);
    in->vcpu_type = NULL;
    in->vcpu_signature = "0";
    in->vmm = vmm_name(plan.vmms[0]);
    r = inputs_measure(in, &measured, &why);
    if (r == 0 && measured.digest_alone)
        r = reason_set(&why, -EINVAL, "--matrix is for whole launches, not for --mode snp:ovmf-hash");
    if (r < 0)
        return fail(r, &why);
    for (size_t i = 0; i < plan.feature_count; i++)
        warn_features(plan.features[i], &measured);
    return measure_matrix(&measured, &plan, strcmp(o->format, "csv") == 0);
}

static int do_one(const struct options *o)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    struct reason why = { "" };
    int r = inputs_measure(&o->inputs, &measured, &why);

    if (r == 0 && measured.digest_alone && (o->explain || o->against || o->dump_vmsa))
        r = reason_set(&why, -EINVAL, "--mode snp:ovmf-hash prints the firmware's digest and nothing else");
    if (r == 0)
        r = write_files(o, &measured, &why);
    if (r < 0)
        return fail(r, &why);
    warn_features(o->inputs.features, &measured);
    if (o->explain)
        return measure_explain(&measured, wants_json(o));
    if (o->against)
        return measure_against(&o->inputs, &measured, o->against, wants_json(o));
    print_digest(o, &measured);
    return COMMAND_OK;
}

static int do_diff(const struct options *first, const struct options *second)
{
    CLEANUP(inputs_free) struct inputs_measured a = INPUTS_MEASURED_NONE, b = INPUTS_MEASURED_NONE;
    struct reason why = { "" };
    int r;

    if (second->explain || second->matrix || second->against || second->dump_vmsa ||
        second->inputs.firmware_metadata) {
        log_error("--diff compares two launches: expected no other way to print them");
        return COMMAND_MISUSE;
    }
    r = inputs_measure(&first->inputs, &a, &why);
    if (r == 0)
        r = inputs_measure(&second->inputs, &b, &why);
    if (r == 0 && (a.digest_alone || b.digest_alone || a.launch.mode != b.launch.mode))
        r = reason_set(&why, -EINVAL, "--diff compares two launches of one --mode, of snp, snp:svsm, seves or sev");
    if (r < 0)
        return fail(r, &why);
    warn_features(first->inputs.features, &a);
    warn_features(second->inputs.features, &b);
    return measure_diff(&a, &b, wants_json(second));
}

/* An option that says what another one said replaces it. */
static void drop_replaced(const struct options *first, struct options *second)
{
    struct inputs *in = &second->inputs;

    if (second->family || in->vcpu_signature != first->inputs.vcpu_signature)
        in->vcpu_type = in->vcpu_type == first->inputs.vcpu_type ? NULL : in->vcpu_type;
    if (second->family || in->vcpu_type != first->inputs.vcpu_type)
        in->vcpu_signature = in->vcpu_signature == first->inputs.vcpu_signature ? NULL : in->vcpu_signature;
    if (!second->family)
        second->family = second->model = second->stepping = first->family && !in->vcpu_type && !in->vcpu_signature;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options first = { .inputs = INPUTS_DEFAULT, .format = "hex" }, second;
    int at = 0, r;

    while (at < argc && strcmp(argv[at], "--diff") != 0)
        at++;
    r = read_options(command, at, argv, &first);
    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (at < argc) {
        second = first;
        second.family = second.model = second.stepping = false;
        r = read_options(command, argc - at - 1, argv + at + 1, &second);
        if (r != 0)
            return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
        drop_replaced(&first, &second);
        return finish_options(&first) < 0 || finish_options(&second) < 0 ? COMMAND_MISUSE : do_diff(&first, &second);
    }
    if (finish_options(&first) < 0)
        return COMMAND_MISUSE;
    return first.matrix ? do_matrix(&first) : do_one(&first);
}

const struct command verb_measure = {
    .program = "postern",
    .name = "measure",
    .summary = "Computes the launch digest that the secure processor will report, and explains it.",
    .usage = "--ovmf FILE --vcpu-type NAME [OPTION…]",
    .example = "  postern measure --ovmf firmware.fd --kernel kernel --initrd initrd --append \"$(cat cmdline)\" \\\n"
               "      --vcpus 2 --vcpu-type EPYC-v4\n",
    .run = run,
};
