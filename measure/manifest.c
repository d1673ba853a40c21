/* Manifests in memory, and as text. What is in one has been checked when it was read or made. */
#include "measure/manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

struct manifest *manifest_new(void)
{
    struct manifest *m = calloc(1, sizeof(*m));

    for (size_t i = 0; m && i < MANIFEST_ROLES; i++)
        m->roles[i] = MANIFEST_NO_ARTEFACT;
    return m;
}

void manifest_free(struct manifest **manifest)
{
    if (*manifest)
        free((*manifest)->digests);
    free(*manifest);
    *manifest = NULL;
}

bool manifest_name_ok(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
    size_t size = strlen(name);

    return size && size < MANIFEST_NAME_BYTES && strspn(name, allowed) == size && name[0] != '.' && name[0] != '-';
}

const char *manifest_role_name(enum manifest_role role)
{
    static const char *const names[] = { "firmware", "kernel", "initrd", "lock" };

    return names[role];
}

size_t manifest_artefact_find(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->artefact_count; i++)
        if (strcmp(manifest->artefacts[i].name, name) == 0)
            return i;
    return MANIFEST_NO_ARTEFACT;
}

size_t manifest_find(const struct manifest *manifest, const uint8_t digest[LAUNCH_DIGEST_BYTES])
{
    for (size_t i = 0; i < manifest->row_count; i++)
        if (memcmp(manifest->digests[i], digest, LAUNCH_DIGEST_BYTES) == 0)
            return i;
    return MANIFEST_NO_ARTEFACT;
}

static size_t count_vcpus(const struct matrix_plan *plan)
{
    size_t count = 0;

    for (size_t n = 1; n <= VCPUS_MAX; n++)
        count += plan->vcpus[n];
    return count;
}

/* EC2 and GCE start their CPUs with fixed values in the place of the signature. */
static size_t cpus_of(const struct matrix_plan *plan, enum vmm vmm)
{
    return vmm == VMM_QEMU || vmm == VMM_QEMU_OLD ? plan->cpu_count : 1;
}

size_t manifest_plan_rows(const struct matrix_plan *plan)
{
    size_t groups = 0, rows;

    for (size_t i = 0; i < plan->vmm_count; i++)
        groups += cpus_of(plan, plan->vmms[i]);
    /* At most 5 * 32 * 32 * 512. */
    rows = groups * plan->feature_count * count_vcpus(plan);
    return rows <= MANIFEST_MAX_ROWS ? rows : 0;
}

struct manifest_row manifest_plan_row(const struct matrix_plan *plan, size_t index)
{
    size_t vcpus = count_vcpus(plan), place = index % vcpus, group = index / vcpus, v = 0;
    struct manifest_row row = { .features = plan->features[group % plan->feature_count] };

    group /= plan->feature_count;
    while (group >= cpus_of(plan, plan->vmms[v]))
        group -= cpus_of(plan, plan->vmms[v++]);
    row.vmm = plan->vmms[v];
    row.cpu = row.vmm == VMM_QEMU || row.vmm == VMM_QEMU_OLD ? &plan->cpus[group] : NULL;
    for (uint32_t n = 1; n <= VCPUS_MAX; n++)
        if (plan->vcpus[n] && !place--) {
            row.vcpus = n;
            break;
        }
    return row;
}

static void add_hex(struct buffer *to, const void *data, size_t size)
{
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    hex_encode(data, size, hex);
    buffer_printf(to, "\"%s\"", hex);
}

/* ,"name":"text", without the comma for the first member. */
static void add_member(struct buffer *to, bool *first, const char *name, const char *text)
{
    buffer_printf(to, "%s\"%s\":", *first ? "" : ",", name);
    buffer_add_json_string(to, text);
    *first = false;
}

static void add_inputs(struct buffer *to, const struct manifest *m)
{
    static const enum manifest_role order[] = { MANIFEST_FIRMWARE, MANIFEST_INITRD, MANIFEST_KERNEL, MANIFEST_LOCK };
    bool first = true;

    buffer_add_text(to, "\"inputs\":{");
    if (m->has_cmdline)
        add_member(to, &first, "cmdline", m->cmdline);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        if (m->roles[order[i]] != MANIFEST_NO_ARTEFACT)
            add_member(to, &first, manifest_role_name(order[i]), m->artefacts[m->roles[order[i]]].name);
    buffer_add_text(to, "}");
}

static void add_vcpus(struct buffer *to, const struct matrix_plan *plan)
{
    const char *before = "";

    for (uint32_t n = 1; n <= VCPUS_MAX; n++) {
        uint32_t from = n;

        if (!plan->vcpus[n])
            continue;
        while (n < VCPUS_MAX && plan->vcpus[n + 1])
            n++;
        buffer_printf(to, "%s{\"from\":%u,\"to\":%u}", before, from, n);
        before = ",";
    }
}

static void add_matrix(struct buffer *to, const struct matrix_plan *plan)
{
    buffer_add_text(to, "\"matrix\":{\"cpus\":[");
    for (size_t i = 0; i < plan->cpu_count; i++)
        buffer_printf(to, "%s{\"signature\":%u,\"type\":\"%s\"}", i ? "," : "", plan->cpus[i].signature,
                      plan->cpus[i].name);
    buffer_add_text(to, "],\"guest_features\":[");
    for (size_t i = 0; i < plan->feature_count; i++)
        buffer_printf(to, "%s%" PRIu64, i ? "," : "", plan->features[i]);
    buffer_add_text(to, "],\"vcpus\":[");
    add_vcpus(to, plan);
    buffer_add_text(to, "],\"vmms\":[");
    for (size_t i = 0; i < plan->vmm_count; i++)
        buffer_printf(to, "%s\"%s\"", i ? "," : "", vmm_name(plan->vmms[i]));
    buffer_add_text(to, "]}");
}

static void add_rows(struct buffer *to, const struct manifest *m)
{
    buffer_add_text(to, "\"rows\":[");
    for (size_t i = 0; i < m->row_count; i++) {
        struct manifest_row row = manifest_plan_row(&m->plan, i);

        buffer_add_text(to, i ? ",{\"digest\":" : "{\"digest\":");
        add_hex(to, m->digests[i], LAUNCH_DIGEST_BYTES);
        buffer_printf(to, ",\"guest_features\":%" PRIu64, row.features);
        if (row.cpu)
            buffer_printf(to, ",\"vcpu_sig\":%u,\"vcpu_type\":\"%s\"", row.cpu->signature, row.cpu->name);
        buffer_printf(to, ",\"vcpus\":%u,\"vmm\":\"%s\"}", row.vcpus, vmm_name(row.vmm));
    }
    buffer_add_text(to, "]");
}

static void add_tools(struct buffer *to, const struct manifest *m)
{
    buffer_add_text(to, "\"tools\":[");
    for (size_t i = 0; i < m->tool_count; i++) {
        bool first = true;

        buffer_add_text(to, i ? ",{" : "{");
        add_member(to, &first, "name", m->tools[i].name);
        add_member(to, &first, "version", m->tools[i].version);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "]");
}

static void add_subjects(struct buffer *to, const struct manifest *m)
{
    buffer_add_text(to, "\"subject\":[");
    for (size_t i = 0; i < m->artefact_count; i++) {
        const struct manifest_artefact *artefact = &m->artefacts[i];

        buffer_printf(to, "%s{\"annotations\":{\"size\":%" PRIu64 "},\"digest\":{\"sha256\":", i ? "," : "",
                      artefact->size);
        add_hex(to, artefact->sha256, SHA256_BYTES);
        buffer_printf(to, "},\"name\":\"%s\"}", artefact->name);
    }
    buffer_add_text(to, "]");
}

void manifest_encode(const struct manifest *manifest, struct buffer *to)
{
    buffer_add_text(to, "{\"_type\":\"" MANIFEST_STATEMENT_TYPE "\",\"predicate\":{");
    add_inputs(to, manifest);
    buffer_add_text(to, ",");
    add_matrix(to, &manifest->plan);
    buffer_add_text(to, ",");
    add_rows(to, manifest);
    buffer_add_text(to, ",");
    add_tools(to, manifest);
    buffer_add_text(to, "},\"predicateType\":\"" MANIFEST_PREDICATE_TYPE "\",");
    add_subjects(to, manifest);
    buffer_add_text(to, "}");
}
