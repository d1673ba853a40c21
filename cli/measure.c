/* postern measure: the launch digest of an SEV-SNP guest, with sev-snp-measure's option names. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/log.h"
#include "cli/inputs.h"

static int print_digest(const struct inputs_measured *measured, const char *format)
{
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], base64[BASE64_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    hex_encode(measured->digest, sizeof(measured->digest), hex);
    (void)base64_encode(BASE64_STANDARD, measured->digest, sizeof(measured->digest), base64);
    if (strcmp(format, "hex") == 0)
        puts(hex);
    else if (strcmp(format, "base64") == 0)
        puts(base64);
    else if (strcmp(format, "json") == 0)
        printf("{\"digest\":\"%s\",\"vcpu_sig\":%u}\n", hex, measured->cpu_signature);
    else
        return -EINVAL;
    return 0;
}

static int check_words(const char *mode, const char *vmm, const char *format)
{
    if (strcmp(mode, "snp") != 0)
        log_error("--mode: \"%s\" is not supported, expected snp", mode);
    else if (strcasecmp(vmm, "qemu") != 0)
        log_error("--vmm-type: \"%s\" is not supported, expected QEMU", vmm);
    else if (strcmp(format, "hex") != 0 && strcmp(format, "base64") != 0 && strcmp(format, "json") != 0)
        log_error("--output-format: \"%s\", expected hex, base64 or json", format);
    else
        return 0;
    return -EINVAL;
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    struct inputs inputs = INPUTS_DEFAULT;
    const char *mode = "snp", *vmm = "QEMU", *format = "hex";
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("ovmf", "FILE", "firmware, OVMF's AmdSev build", OPTION_TEXT, &inputs.firmware, .required = true),
        OPTION("kernel", "FILE", "kernel of a direct boot", OPTION_TEXT, &inputs.kernel),
        OPTION("initrd", "FILE", "its initrd", OPTION_TEXT, &inputs.initrd),
        OPTION("append", "TEXT", "its command line, byte for byte", OPTION_TEXT, &inputs.append, .may_be_empty = true),
        OPTION("vcpus", "N", "virtual CPUs, 1 to 512 (default 1)", OPTION_U64, &inputs.vcpus, .min = 1,
          .max = VCPUS_MAX),
        OPTION("vcpu-type", "NAME", "QEMU's CPU type, EPYC-v4 or EPYC-Milan for example", OPTION_TEXT,
               &inputs.vcpu_type),
        OPTION("vcpu-sig", "N", "CPUID signature instead of a type", OPTION_TEXT, &inputs.vcpu_signature),
        OPTION("guest-features", "N", "SEV_FEATURES (default 0x1)", OPTION_U64, &inputs.features),
        OPTION("mode", "snp", "what is launched (default snp)", OPTION_TEXT, &mode),
        OPTION("vmm-type", "QEMU", "who launches it (default QEMU)", OPTION_TEXT, &vmm),
        OPTION("output-format", "FORMAT", "hex (default), base64 or json", OPTION_TEXT, &format),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    r = check_words(mode, vmm, format);
    if (r < 0)
        return COMMAND_MISUSE;
    r = inputs_measure(&inputs, &measured, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (!(inputs.features & SEV_FEATURE_SNP_ACTIVE))
        log_info("--guest-features 0x%llx lacks bit 0: no SNP guest starts with it",
                 (unsigned long long)inputs.features);
    return print_digest(&measured, format) == 0 ? COMMAND_OK : COMMAND_MISUSE;
}

const struct command verb_measure = {
    .program = "postern",
    .name = "measure",
    .summary = "Computes the launch digest that the secure processor will report.",
    .usage = "--ovmf FILE --vcpu-type NAME [OPTION…]",
    .example = "  postern measure --ovmf firmware.fd --kernel kernel --initrd initrd --append \"$(cat cmdline)\" \\\n"
               "      --vcpus 2 --vcpu-type EPYC-v4\n",
    .run = run,
};
