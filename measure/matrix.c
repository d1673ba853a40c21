/* Tables of launch digests. Nothing here reads hostile bytes. */
#include "measure/matrix.h"

#include <errno.h>
#include <string.h>

#include "measure/cpu.h"
#include "measure/launch-steps.h"

void matrix_plan_default(struct matrix_plan *ret_plan)
{
    memset(ret_plan, 0, sizeof(*ret_plan));
    for (size_t i = 1; i <= VCPUS_MAX; i++)
        ret_plan->vcpus[i] = true;
    for (const struct cpu_type *type = cpu_generations(); type->name; type++)
        ret_plan->cpus[ret_plan->cpu_count++] = (struct matrix_cpu){ type->name, cpu_type_signature(type) };
    ret_plan->vmms[0] = VMM_QEMU;
    ret_plan->vmm_count = 1;
    ret_plan->features[0] = SEV_FEATURE_SNP_ACTIVE;
    ret_plan->feature_count = 1;
}

struct table {
    const struct matrix_plan *plan;
    matrix_take *take;
    void *context;
    uint32_t most_vcpus;
    struct launch_inputs inputs; /* of the rows at hand */
    struct chain memory;         /* after everything but the virtual CPUs */
    struct launch_steps steps;
};

/* The rows of one VMM, signature and mask: each count's digest is on the way to the next one's. */
static int compute_counts(struct table *table, struct matrix_row *row)
{
    struct launch_steps *steps = &table->steps;
    int r = 0;

    chain_copy(&steps->chain, &table->memory);
    launch_start_vcpus(steps, &table->inputs);
    for (uint32_t vcpus = 1; r == 0 && vcpus <= table->most_vcpus; vcpus++) {
        launch_add_vcpu(steps, vcpus == 1);
        if (!table->plan->vcpus[vcpus])
            continue;
        if (steps->chain.sha256)
            chain_peek(&steps->chain);
        row->vcpus = vcpus;
        memcpy(row->digest, steps->chain.digest, sizeof(row->digest));
        r = steps->chain.error ? steps->chain.error : table->take(table->context, row);
    }
    return r;
}

static int compute_vmm(struct table *table, enum vmm vmm)
{
    const struct matrix_plan *plan = table->plan;
    struct matrix_row row = { .vmm = vmm };
    bool with_signature = vmm_measures_signature(vmm);
    int r;

    table->inputs.vmm = vmm;
    table->steps.inputs = &table->inputs;
    memset(table->steps.chain.digest, 0, sizeof(table->steps.chain.digest));
    r = launch_add_memory(&table->steps);
    if (r < 0)
        return r;
    chain_copy(&table->memory, &table->steps.chain);
    for (size_t i = 0; r == 0 && i < (with_signature ? plan->cpu_count : 1); i++)
        for (size_t k = 0; r == 0 && k < plan->feature_count; k++) {
            row.cpu = with_signature ? &plan->cpus[i] : NULL;
            row.features = table->inputs.features = plan->features[k];
            table->inputs.cpu_signature = with_signature ? plan->cpus[i].signature : 0;
            r = compute_counts(table, &row);
        }
    return r;
}

static int check_plan(struct table *table, struct reason *why)
{
    for (uint32_t i = 1; i <= VCPUS_MAX; i++)
        if (table->plan->vcpus[i])
            table->most_vcpus = i;
    if (table->inputs.mode == LAUNCH_SEV)
        return reason_set(why, -EINVAL, "SEV measures no virtual CPUs: there is one digest, and no table");
    table->inputs.vcpus = table->most_vcpus;
    for (size_t i = 0; i < table->plan->vmm_count; i++) {
        int r;

        table->inputs.vmm = table->plan->vmms[i];
        r = launch_check(&table->inputs, why);
        if (r < 0)
            return r;
    }
    return 0;
}

int matrix_compute(const struct launch_inputs *inputs, const struct matrix_plan *plan, matrix_take *take, void *context,
                   struct reason *why)
{
    struct table table = { .plan = plan, .take = take, .context = context, .inputs = *inputs };
    int r = check_plan(&table, why);

    if (r < 0)
        return r;
    chain_start(&table.memory);
    chain_start(&table.steps.chain);
    r = table.memory.error ? table.memory.error : table.steps.chain.error;
    for (size_t i = 0; r == 0 && i < plan->vmm_count; i++)
        r = compute_vmm(&table, plan->vmms[i]);
    if (table.memory.error || table.steps.chain.error)
        r = reason_set(why, -ENOMEM, "OpenSSL has no SHA-2 to be had");
    chain_free(&table.memory);
    chain_free(&table.steps.chain);
    return r;
}
