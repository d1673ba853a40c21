/* postern measure --matrix: a row for each combination. The axes come from the user. */
#include "cli/measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "measure/cpu.h"

/* --------------------------------------------------------------------------------------------------------- the axes */

typedef int take_word(struct matrix_plan *plan, const char *word, struct reason *why);

/* Each word between commas. */
static int split(const char *option, const char *list, struct matrix_plan *plan, take_word *take, struct reason *why)
{
    CLEANUP_FREE char *copy = strdup(list);
    char *rest = copy, *word;
    int r = copy ? 0 : -ENOMEM;

    while (r == 0 && (word = strsep(&rest, ",")))
        r = *word ? take(plan, word, why)
                  : reason_set(why, -EINVAL, "%s \"%s\": nothing between two commas", option, list);
    return r;
}

static int take_vcpus(struct matrix_plan *plan, const char *word, struct reason *why)
{
    CLEANUP_FREE char *copy = strdup(word);
    char *to = copy, *from = strsep(&to, "-");
    uint64_t first = 0, last = 0;

    if (!copy)
        return -ENOMEM;
    if (command_parse_u64(from, &first) < 0 || command_parse_u64(to ? to : from, &last) < 0 || first < 1 ||
        last > VCPUS_MAX || first > last)
        return reason_set(why, -EINVAL, "--vcpus \"%s\": expected numbers from 1 to %u, as in 1-8,16", word, VCPUS_MAX);
    for (uint64_t i = first; i <= last; i++)
        plan->vcpus[i] = true;
    return 0;
}

static int add_cpu(struct matrix_plan *plan, const char *name, uint32_t signature, struct reason *why)
{
    for (size_t i = 0; i < plan->cpu_count; i++)
        if (plan->cpus[i].signature == signature)
            return reason_set(why, -EINVAL, "CPU signature 0x%x is there twice: versions of a type share one",
                              signature);
    if (plan->cpu_count == MATRIX_MAX_CPUS)
        return reason_set(why, -EINVAL, "more than %u CPU signatures", MATRIX_MAX_CPUS);
    plan->cpus[plan->cpu_count++] = (struct matrix_cpu){ name, signature };
    return 0;
}

static int take_type(struct matrix_plan *plan, const char *word, struct reason *why)
{
    const struct cpu_type *type = cpu_type_find(word);
    uint32_t signature = 0;
    int r = inputs_signature_of_type(word, &signature, why);

    return r < 0 ? r : add_cpu(plan, type ? type->name : "host", signature, why);
}

static int take_signature(struct matrix_plan *plan, const char *word, struct reason *why)
{
    uint32_t signature = 0;
    int r = inputs_signature_of_text(word, &signature, why);

    return r < 0 ? r : add_cpu(plan, NULL, signature, why);
}

static int take_vmm(struct matrix_plan *plan, const char *word, struct reason *why)
{
    enum vmm vmm;

    if (vmm_find(word, &vmm) < 0)
        return reason_set(why, -EINVAL, "--vmm-type: \"%s\", expected " VMM_NAMES, word);
    for (size_t i = 0; i < plan->vmm_count; i++)
        if (plan->vmms[i] == vmm)
            return reason_set(why, -EINVAL, "--vmm-type: %s is there twice", word);
    plan->vmms[plan->vmm_count++] = vmm;
    return 0;
}

static int take_features(struct matrix_plan *plan, const char *word, struct reason *why)
{
    uint64_t features = 0;

    if (command_parse_u64(word, &features) < 0)
        return reason_set(why, -EINVAL, "--guest-features \"%s\": expected numbers, as in 0x1,0x21", word);
    if (plan->feature_count == MATRIX_MAX_FEATURES)
        return reason_set(why, -EINVAL, "--guest-features: more than %u masks", MATRIX_MAX_FEATURES);
    plan->features[plan->feature_count++] = features;
    return 0;
}

int matrix_read_axes(const struct matrix_axes *axes, struct matrix_plan *ret_plan, struct reason *why)
{
    struct matrix_plan plan;
    int r = 0;

    matrix_plan_default(&plan);
    if (axes->vcpus) {
        memset(plan.vcpus, 0, sizeof(plan.vcpus));
        r = split("--vcpus", axes->vcpus, &plan, take_vcpus, why);
    }
    if (axes->types || axes->signatures)
        plan.cpu_count = 0;
    if (r == 0 && axes->types)
        r = split("--vcpu-type", axes->types, &plan, take_type, why);
    if (r == 0 && axes->signatures)
        r = split("--vcpu-sig", axes->signatures, &plan, take_signature, why);
    if (r == 0 && axes->vmms) {
        plan.vmm_count = 0;
        r = split("--vmm-type", axes->vmms, &plan, take_vmm, why);
    }
    if (r == 0 && axes->features) {
        plan.feature_count = 0;
        r = split("--guest-features", axes->features, &plan, take_features, why);
    }
    if (r == 0)
        *ret_plan = plan;
    return r;
}

/* --------------------------------------------------------------------------------------------------------- the rows */

struct printing {
    size_t digest_size;
    bool csv, started;
};

static int print_row(void *context, const struct matrix_row *row)
{
    struct printing *printing = context;
    const char *name = row->cpu && row->cpu->name ? row->cpu->name : "";
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], signature[16] = "";

    if (!printing->started)
        (void)fputs(printing->csv ? "vmm,vcpu_type,vcpu_sig,guest_features,vcpus,digest\n" : "[", stdout);
    hex_encode(row->digest, printing->digest_size, hex);
    if (row->cpu)
        (void)snprintf(signature, sizeof(signature), "%u", row->cpu->signature);
    if (printing->csv)
        printf("%s,%s,%s,%llu,%u,%s\n", vmm_name(row->vmm), name, signature, (unsigned long long)row->features,
               row->vcpus, hex);
    else
        printf("%s\n  {\"vmm\": \"%s\", \"vcpu_type\": %s%s%s, \"vcpu_sig\": %s, \"guest_features\": %llu, "
               "\"vcpus\": %u, \"digest\": \"%s\"}",
               printing->started ? "," : "", vmm_name(row->vmm), *name ? "\"" : "", *name ? name : "null",
               *name ? "\"" : "", row->cpu ? signature : "null", (unsigned long long)row->features, row->vcpus, hex);
    printing->started = true;
    return ferror(stdout) ? -EIO : 0;
}

int measure_matrix(const struct inputs_measured *measured, const struct matrix_plan *plan, bool csv)
{
    struct printing printing = { launch_digest_size(measured->launch.mode), csv, false };
    struct reason why = { "" };
    int r = matrix_compute(&measured->launch, plan, print_row, &printing, &why);

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (!csv)
        puts("\n]");
    return COMMAND_OK;
}
