/* postern generate measurement and ovmf-hash: `postern measure` with snpguest's words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/show.h"

struct output {
    const char *format, *file;
};

/* The digest into the file, or onto the terminal when there is none. */
static int write_digest(const struct output *output, const uint8_t digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char line[BASE64_TEXT_BYTES(LAUNCH_DIGEST_BYTES) + HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    if (strcasecmp(output->format, "base64") == 0)
        (void)base64_encode(BASE64_STANDARD, digest, LAUNCH_DIGEST_BYTES, line);
    else
        hex_encode(digest, LAUNCH_DIGEST_BYTES, line);
    buffer_printf(&text, "%s\n", line);
    if (!output->file)
        return show_print(&text) == COMMAND_OK ? 0 : -ENOMEM;
    if (buffer_error(&text) < 0)
        return -ENOMEM;
    return file_write(output->file, 0644, text.data, text.size, why);
}

static int measure(const struct inputs *inputs, const struct output *output)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    struct reason why = { "" };
    int r = 0;

    if (strcasecmp(output->format, "hex") != 0 && strcasecmp(output->format, "base64") != 0)
        r = reason_set(&why, -EINVAL, "--output-format: \"%s\", expected hex or base64", output->format);
    if (r == 0)
        r = inputs_measure(inputs, &measured, &why);
    if (r == 0)
        r = write_digest(output, measured.digest, &why);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    return r < 0 ? COMMAND_MISUSE : COMMAND_OK;
}

static int run_measurement(const struct command *command, int argc, char **argv)
{
    struct inputs inputs = INPUTS_DEFAULT;
    struct output output = { .format = "hex" };
    bool family = false, model = false, stepping = false;
    const struct option_row rows[] = {
        OPTION("ovmf", "FILE", "firmware", OPTION_TEXT, &inputs.firmware, .letter = 'o', .required = true),
        OPTION("kernel", "FILE", "kernel of a direct boot", OPTION_TEXT, &inputs.kernel, .letter = 'k'),
        OPTION("initrd", "FILE", "its initrd", OPTION_TEXT, &inputs.initrd, .letter = 'i'),
        OPTION("append", "TEXT", "its command line, byte for byte", OPTION_TEXT, &inputs.append, .letter = 'a',
               .may_be_empty = true),
        OPTION("vcpus", "N", "virtual CPUs (default 1)", OPTION_U64, &inputs.vcpus, .letter = 'v', .min = 1,
               .max = VCPUS_MAX),
        OPTION("vcpu-type", "NAME", "QEMU's CPU type, EPYC-Milan for example", OPTION_TEXT, &inputs.vcpu_type),
        OPTION("vcpu-sig", "N", "CPUID signature instead of a type", OPTION_TEXT, &inputs.vcpu_signature),
        OPTION("vcpu-family", "N", "instead of both, with --vcpu-model and --vcpu-stepping", OPTION_U64,
               &inputs.vcpu_family, .max = 270, .given = &family),
        OPTION("vcpu-model", "N", "see there", OPTION_U64, &inputs.vcpu_model, .max = 255, .given = &model),
        OPTION("vcpu-stepping", "N", "see there", OPTION_U64, &inputs.vcpu_stepping, .max = 15, .given = &stepping),
        OPTION("vmm-type", "VMM", "QEMU (default), ec2 …", OPTION_TEXT, &inputs.vmm, .letter = 't'),
        OPTION("guest-features", "N", "SEV_FEATURES (default 0x1)", OPTION_U64, &inputs.features, .letter = 'g'),
        OPTION("ovmf-hash", "HEX", "the firmware's pages by `generate ovmf-hash`", OPTION_TEXT,
               &inputs.firmware_digest),
        OPTION("output-format", "FORMAT", "hex (default) or base64", OPTION_TEXT, &output.format, .letter = 'f'),
        OPTION("measurement-file", "FILE", "write it there", OPTION_TEXT, &output.file, .letter = 'm'),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (family != model || model != stepping) {
        log_error("--vcpu-family, --vcpu-model and --vcpu-stepping go together");
        return COMMAND_MISUSE;
    }
    inputs.has_family = family;
    return measure(&inputs, &output);
}

static int run_ovmf_hash(const struct command *command, int argc, char **argv)
{
    struct inputs inputs = INPUTS_DEFAULT;
    struct output output = { .format = "hex" };
    const struct option_row rows[] = {
        OPTION("ovmf", "FILE", "firmware", OPTION_TEXT, &inputs.firmware, .letter = 'o', .required = true),
        OPTION("output-format", "FORMAT", "hex (default) or base64", OPTION_TEXT, &output.format, .letter = 'f'),
        OPTION("hash-file", "FILE", "write it there", OPTION_TEXT, &output.file),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    inputs.mode = "snp:ovmf-hash";
    return measure(&inputs, &output);
}

const struct command verb_generate_measurement = {
    .program = "postern",
    .name = "generate measurement",
    .summary = "Computes a launch digest, with snpguest's words; `postern measure` explains and compares it.",
    .usage = "--ovmf FILE --vcpu-type NAME [OPTION…]",
    .example = "  postern generate measurement -o OVMF.amdsev.fd -k kernel -i initrd -a \"$(cat cmdline)\" -v 2 \\\n"
               "      --vcpu-type EPYC-Milan\n",
    .run = run_measurement,
};

const struct command verb_generate_ovmf_hash = {
    .program = "postern",
    .name = "generate ovmf-hash",
    .summary = "Computes the launch digest of a firmware's pages alone.",
    .usage = "--ovmf FILE [OPTION…]",
    .example = "  postern generate ovmf-hash -o OVMF.amdsev.fd\n",
    .run = run_ovmf_hash,
};
