/* Searching for the inputs of a digest. Nothing here reads hostile bytes. */
#include "measure/against.h"

#include <errno.h>
#include <string.h>

#include "measure/cpu.h"
#include "measure/matrix.h"

#define FEATURE_DEBUG_SWAP 0x20u
#define FEATURE_LAST_BIT 15u

struct search {
    const struct launch_inputs *given;
    const uint8_t *wanted;
    size_t size;
    const struct against_boot *boot;
    struct against_match best;
    bool found;
};

static int compare(void *context, const struct matrix_row *row)
{
    struct search *search = context;
    const struct launch_inputs *given = search->given;
    struct against_match match = { row->vcpus, given->cpu_signature, NULL, row->features, row->vmm, search->boot, 0 };

    if (memcmp(row->digest, search->wanted, search->size) != 0)
        return 0;
    if (row->cpu) {
        match.cpu_signature = row->cpu->signature;
        match.cpu_name = row->cpu->name;
    }
    match.changes = (match.vcpus != given->vcpus) + (match.cpu_signature != given->cpu_signature) +
                    (match.features != given->features) + (match.vmm != given->vmm) + (search->boot->what[0] != '\0');
    if (!search->found || match.changes < search->best.changes)
        search->best = match;
    search->found = true;
    return 0;
}

static void add_cpu(struct matrix_plan *plan, const char *name, uint32_t signature)
{
    for (size_t i = 0; i < plan->cpu_count; i++)
        if (plan->cpus[i].signature == signature)
            return;
    plan->cpus[plan->cpu_count++] = (struct matrix_cpu){ name, signature };
}

static void add_features(struct matrix_plan *plan, uint64_t features)
{
    for (size_t i = 0; i < plan->feature_count; i++)
        if (plan->features[i] == features)
            return;
    if (plan->feature_count < MATRIX_MAX_FEATURES)
        plan->features[plan->feature_count++] = features;
}

static void make_plan(const struct launch_inputs *given, struct matrix_plan *ret_plan)
{
    struct matrix_plan plan;

    matrix_plan_default(&plan);
    add_cpu(&plan, "host", cpu_host_signature());
    add_cpu(&plan, NULL, given->cpu_signature);
    plan.features[0] = given->features;
    if (given->mode == LAUNCH_SNP) {
        add_features(&plan, SEV_FEATURE_SNP_ACTIVE);
        add_features(&plan, given->features ^ FEATURE_DEBUG_SWAP);
        for (unsigned bit = 1; bit <= FEATURE_LAST_BIT; bit++)
            add_features(&plan, SEV_FEATURE_SNP_ACTIVE | UINT64_C(1) << bit);
        for (unsigned bit = 1; bit <= FEATURE_LAST_BIT; bit++)
            add_features(&plan, SEV_FEATURE_SNP_ACTIVE | FEATURE_DEBUG_SWAP | UINT64_C(1) << bit);
    }
    plan.vmm_count = given->mode == LAUNCH_SNP_SVSM ? 2 : VMM_COUNT; /* QEMU's two come first */
    for (size_t i = 0; i < plan.vmm_count; i++)
        plan.vmms[i] = (enum vmm)i;
    *ret_plan = plan;
}

/* SEV has but one digest for each boot. */
static int search_sev(struct search *search, const struct launch_inputs *inputs, struct reason *why)
{
    struct matrix_row row = { .vmm = inputs->vmm, .features = inputs->features, .vcpus = inputs->vcpus };
    int r = launch_digest(inputs, row.digest, why);

    return r < 0 ? r : compare(search, &row);
}

int against_search(const struct launch_inputs *given, const struct against_boot *boots, size_t boot_count,
                   const uint8_t wanted[LAUNCH_DIGEST_BYTES], struct against_match *ret_match, struct reason *why)
{
    struct search search = { .given = given, .wanted = wanted, .size = launch_digest_size(given->mode) };
    struct launch_inputs inputs = *given;
    struct matrix_plan plan;

    make_plan(given, &plan);
    for (size_t i = 0; i < boot_count && !search.found; i++) {
        int r;

        search.boot = &boots[i];
        inputs.hashes = boots[i].has_hashes ? &boots[i].hashes : NULL;
        r = given->mode == LAUNCH_SEV ? search_sev(&search, &inputs, why)
                                      : matrix_compute(&inputs, &plan, compare, &search, why);
        if (r < 0)
            return r;
    }
    if (search.found)
        *ret_match = search.best;
    return search.found;
}
