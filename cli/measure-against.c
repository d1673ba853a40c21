/* postern measure --against: which input would have to be another one. */
#include "cli/measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/command.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "measure/against.h"
#include "measure/kernel-patched.h"

#define MIB (UINT64_C(1) << 20)

struct boots {
    struct against_boot list[AGAINST_MAX_BOOTS];
    size_t count;
};

/* A copy of the boot as given, said to be something else. There is room for all; one more would take the last one's. */
static struct kernel_hashes *add_boot(struct boots *boots, const struct inputs_measured *measured, const char *what)
{
    size_t at = boots->count < AGAINST_MAX_BOOTS ? boots->count++ : AGAINST_MAX_BOOTS - 1;
    struct against_boot *boot = &boots->list[at];

    boot->has_hashes = measured->has_hashes;
    boot->hashes = measured->hashes;
    (void)snprintf(boot->what, sizeof(boot->what), "%s", what);
    return &boot->hashes;
}

/* Command lines as editors, shells and `cat` change them. */
static int add_cmdlines(struct boots *boots, const struct inputs *inputs, const struct inputs_measured *measured)
{
    static const char *const ends[] = { "\n", " ", "\r\n" };
    static const char *const names[] = { "a newline ends the command line", "a space ends the command line",
                                         "CR and newline end the command line" };
    const char *given = inputs->append ? inputs->append : "";
    size_t length = strlen(given), stripped = length;
    CLEANUP_FREE char *text = malloc(length + 4);
    int r = text ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ends); i++) {
        (void)snprintf(text, length + 4, "%s%s", given, ends[i]);
        r = kernel_hashes_cmdline(text, add_boot(boots, measured, names[i])->cmdline);
    }
    while (stripped && strchr("\r\n ", given[stripped - 1]))
        stripped--;
    if (r == 0 && stripped < length) {
        (void)snprintf(text, length + 4, "%.*s", (int)stripped, given);
        r = kernel_hashes_cmdline(text,
                                  add_boot(boots, measured, "nothing but words is in the command line's end")->cmdline);
    }
    return r;
}

static int add_absences(struct boots *boots, const struct inputs *inputs, const struct inputs_measured *measured)
{
    struct kernel_hashes *hashes;
    int r = 0;

    if (inputs->initrd && *inputs->initrd)
        r = kernel_hashes_no_initrd(add_boot(boots, measured, "the initrd is absent")->initrd);
    if (r == 0 && inputs->append && *inputs->append)
        r = kernel_hashes_cmdline(NULL, add_boot(boots, measured, "the command line is absent")->cmdline);
    if (r == 0 && inputs->initrd && *inputs->initrd && inputs->append && *inputs->append) {
        hashes = add_boot(boots, measured, "initrd and command line are absent");
        r = kernel_hashes_no_initrd(hashes->initrd);
        if (r == 0)
            r = kernel_hashes_cmdline(NULL, hashes->cmdline);
    }
    return r;
}

/* QEMU before 10 writes the initrd's place into the kernel's header, and that depends on the guest's memory. */
static int add_patched(struct boots *boots, const struct inputs *inputs, const struct inputs_measured *measured)
{
    static const uint64_t memory_mib[] = { 2048, 3072, 128,  256,  384,  512,  640,  768,  896,  1024, 1152, 1280, 1408,
                                           1536, 1664, 1792, 1920, 2176, 2304, 2432, 2560, 2688, 2816, 2944 };
    struct kernel_placing placing = { .has_initrd = inputs->initrd && *inputs->initrd };
    struct stat status;

    if (placing.has_initrd && stat(inputs->initrd, &status) == 0)
        placing.initrd_size = (uint64_t)status.st_size;
    for (size_t i = 0; i < (placing.has_initrd ? ARRAY_SIZE(memory_mib) : 1); i++) {
        uint8_t hash[SHA256_BYTES];
        char what[64];

        placing.memory_below_4g = memory_mib[i] * MIB;
        if (kernel_patched_hash(inputs->kernel, &placing, hash, NULL) < 0)
            continue; /* no bzImage, or no room */
        (void)snprintf(what, sizeof(what), "QEMU before 10 patched the kernel (%llu MiB below 4 GiB)",
                       (unsigned long long)memory_mib[i]);
        memcpy(add_boot(boots, measured, placing.has_initrd ? what : "QEMU before 10 patched the kernel")->kernel, hash,
               sizeof(hash));
    }
    return 0;
}

static int collect_boots(struct boots *boots, const struct inputs *inputs, const struct inputs_measured *measured)
{
    int r;

    boots->count = 0;
    (void)add_boot(boots, measured, "");
    if (!measured->has_hashes)
        return 0;
    (void)add_boot(boots, measured, "kernel hashes are off (QEMU's kernel-hashes=on is missing)");
    boots->list[1].has_hashes = false;
    r = add_absences(boots, inputs, measured);
    if (r == 0)
        r = add_cmdlines(boots, inputs, measured);
    return r == 0 ? add_patched(boots, inputs, measured) : r;
}

/* ---------------------------------------------------------------------------------------------------------- verdict */

static void add_cause(struct buffer *to, const char *format, ...) PRINTF_LIKE(2, 3);

static void add_cause(struct buffer *to, const char *format, ...)
{
    va_list arguments;
    char text[160];

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_printf(to, "%s%s", to->size ? "; " : "", text);
}

static void describe(const struct launch_inputs *given, const struct against_match *match, struct buffer *to)
{
    const char *known = match->features == (given->features ^ 0x20) ? ", debug_swap" : "";

    if (match->vcpus != given->vcpus)
        add_cause(to, "%u virtual CPUs, not %u", match->vcpus, given->vcpus);
    if (match->cpu_signature != given->cpu_signature)
        add_cause(to, "CPU signature 0x%x (%s), not 0x%x", match->cpu_signature,
                  match->cpu_name ? match->cpu_name : "given", given->cpu_signature);
    if (match->features != given->features)
        add_cause(to, "guest features 0x%llx%s, not 0x%llx", (unsigned long long)match->features, known,
                  (unsigned long long)given->features);
    if (match->vmm == VMM_QEMU_OLD && given->vmm == VMM_QEMU)
        add_cause(to, "the host's Linux is older than 6.10 (--vmm-type QEMU-before-6.10)");
    else if (match->vmm != given->vmm)
        add_cause(to, "--vmm-type %s, not %s", vmm_name(match->vmm), vmm_name(given->vmm));
    if (match->boot->what[0])
        add_cause(to, "%s", match->boot->what);
}

static int report(const struct launch_inputs *given, const struct against_match *match, bool json)
{
    CLEANUP_BUFFER struct buffer causes = BUFFER_EMPTY, quoted = BUFFER_EMPTY;
    const char *verdict = !match ? "unknown" : match->changes ? "cause" : "match";

    if (match)
        describe(given, match, &causes);
    buffer_add_json_string(&quoted, buffer_text(&causes));
    if (buffer_error(&quoted) < 0)
        return COMMAND_MISUSE;
    if (json)
        printf("{\"verdict\": \"%s\", \"cause\": %s}\n", verdict, causes.size ? buffer_text(&quoted) : "null");
    else if (!match)
        puts("no cause found: none of the vCPU counts, CPU signatures, feature masks, VMMs and boots that were tried\n"
             "gives this digest; firmware, kernel, initrd or command line are not those that were launched");
    else if (!match->changes)
        puts("the inputs give this digest");
    else
        printf("the inputs give this digest with: %s\n", buffer_text(&causes));
    return !match ? MEASURE_NO_CAUSE : match->changes ? MEASURE_DIFFERS : COMMAND_OK;
}

int measure_against(const struct inputs *inputs, const struct inputs_measured *measured, const char *wanted, bool json)
{
    static struct boots boots; /* too large for a stack */
    size_t size = launch_digest_size(measured->launch.mode);
    uint8_t digest[LAUNCH_DIGEST_BYTES] = { 0 };
    struct against_match match;
    struct reason why = { "" };
    int r;

    if (hex_decode(wanted, strlen(wanted), digest, size) < 0) {
        log_error("--against: expected a digest of %zu hexadecimal digits, found \"%s\"", 2 * size, wanted);
        return COMMAND_MISUSE;
    }
    r = collect_boots(&boots, inputs, measured);
    if (r == 0)
        r = against_search(&measured->launch, boots.list, boots.count, digest, &match, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return report(&measured->launch, r ? &match : NULL, json);
}
