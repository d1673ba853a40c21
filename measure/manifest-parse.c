/* Manifests as text. Anybody may have written them; who has is for dsse_verify() to say. */
#include "measure/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "measure/dsse.h"

/* A name of [A-Za-z0-9._+-] into `to`. */
static void read_name(struct json_reader *reader, const char *member, char to[MANIFEST_NAME_BYTES], const char *what)
{
    const char *text = NULL;

    if (!json_read_string(reader, member, JSON_REQUIRED, MANIFEST_NAME_BYTES - 1, &text))
        return;
    if (!manifest_name_ok(text)) {
        json_refuse(reader, member, "\"%s\" is no %s", text, what);
        return;
    }
    memcpy(to, text, strlen(text) + 1);
}

static void read_constant(struct json_reader *reader, const char *member, const char *expected)
{
    const char *text = NULL;

    if (json_read_string(reader, member, JSON_REQUIRED, 127, &text) && strcmp(text, expected) != 0)
        json_refuse(reader, member, "\"%s\", expected \"%s\"", text, expected);
}

static void read_artefact(struct json_reader *reader, struct manifest_artefact *artefact)
{
    struct json_reader digest, annotations;

    read_name(reader, "name", artefact->name, "file name of an artefact: letters, digits and ._+- without a path");
    /* Digests by other algorithms may stand beside it. */
    if (json_read_object(reader, "digest", JSON_REQUIRED, &digest))
        (void)json_read_hex(&digest, "sha256", JSON_REQUIRED, artefact->sha256, SHA256_BYTES);
    if (json_read_object(reader, "annotations", JSON_REQUIRED, &annotations)) {
        (void)json_read_u64(&annotations, "size", JSON_REQUIRED, 0, MANIFEST_MAX_NUMBER, &artefact->size);
        json_read_done(&annotations);
    }
    json_read_done(reader);
}

static void read_subjects(struct json_reader *root, struct manifest *m)
{
    struct json_reader list, element;
    size_t count = 0;

    if (!json_read_array(root, "subject", JSON_REQUIRED, MANIFEST_MAX_ARTEFACTS, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!json_element_object(&list, i, &element))
            return;
        read_artefact(&element, &m->artefacts[i]);
        if (i && !root->status->error && strcmp(m->artefacts[i - 1].name, m->artefacts[i].name) >= 0)
            json_refuse(&element, "name", "\"%s\" stands twice or not in order: names ascend", m->artefacts[i].name);
    }
    m->artefact_count = count;
}

static void check_cmdline(struct json_reader *inputs, const struct manifest *m)
{
    size_t index = manifest_artefact_find(m, "cmdline");
    uint8_t hash[SHA256_BYTES];

    if (inputs->status->error || index == MANIFEST_NO_ARTEFACT || !m->has_cmdline)
        return;
    if (EVP_Digest(m->cmdline, strlen(m->cmdline), hash, NULL, EVP_sha256(), NULL) != 1)
        inputs->status->error = -ENOMEM;
    else if (memcmp(hash, m->artefacts[index].sha256, SHA256_BYTES) != 0)
        json_refuse(inputs, "cmdline", "is not what the artefact \"cmdline\" holds");
}

static void read_inputs(struct json_reader *predicate, struct manifest *m)
{
    struct json_reader inputs;
    const char *cmdline = NULL;

    if (!json_read_object(predicate, "inputs", JSON_REQUIRED, &inputs))
        return;
    for (int role = 0; role < MANIFEST_ROLES; role++) {
        enum json_need need = role == MANIFEST_FIRMWARE ? JSON_REQUIRED : JSON_OPTIONAL;
        const char *member = manifest_role_name((enum manifest_role)role), *name = NULL;

        if (!json_read_string(&inputs, member, need, MANIFEST_NAME_BYTES - 1, &name))
            continue;
        m->roles[role] = manifest_artefact_find(m, name);
        if (m->roles[role] == MANIFEST_NO_ARTEFACT)
            json_refuse(&inputs, member, "\"%s\" is none of the artefacts", name);
    }
    if (json_read_string(&inputs, "cmdline", JSON_OPTIONAL, MANIFEST_MAX_CMDLINE_BYTES, &cmdline)) {
        memcpy(m->cmdline, cmdline, strlen(cmdline) + 1);
        m->has_cmdline = true;
    }
    json_read_done(&inputs);
    if (m->roles[MANIFEST_KERNEL] == MANIFEST_NO_ARTEFACT &&
        (m->roles[MANIFEST_INITRD] != MANIFEST_NO_ARTEFACT || m->has_cmdline))
        json_refuse(&inputs, "kernel", "missing, but there is an initrd or a command line");
    check_cmdline(&inputs, m);
}

static void read_tools(struct json_reader *predicate, struct manifest *m)
{
    struct json_reader list, element;
    size_t count = 0;

    if (!json_read_array(predicate, "tools", JSON_REQUIRED, MANIFEST_MAX_TOOLS, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        struct manifest_tool *tool = &m->tools[i];
        const char *version = NULL;

        if (!json_element_object(&list, i, &element))
            return;
        read_name(&element, "name", tool->name, "name of a tool");
        if (json_read_string(&element, "version", JSON_REQUIRED, MANIFEST_NAME_BYTES - 1, &version))
            memcpy(tool->version, version, strlen(version) + 1);
        json_read_done(&element);
        if (i && !predicate->status->error && strcmp(m->tools[i - 1].name, tool->name) >= 0)
            json_refuse(&element, "name", "\"%s\" stands twice or not in order: names ascend", tool->name);
    }
    m->tool_count = count;
}

/* Ranges of vCPU counts, ascending and apart, so that each set has one spelling. */
static void read_vcpus(struct json_reader *matrix, struct matrix_plan *plan)
{
    struct json_reader list, element;
    uint64_t least = 1;
    size_t count = 0;

    if (!json_read_array(matrix, "vcpus", JSON_REQUIRED, VCPUS_MAX, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t from = 0, to = 0;

        if (!json_element_object(&list, i, &element) ||
            !json_read_u64(&element, "from", JSON_REQUIRED, least, VCPUS_MAX, &from) ||
            !json_read_u64(&element, "to", JSON_REQUIRED, from, VCPUS_MAX, &to))
            return;
        json_read_done(&element);
        for (uint64_t n = from; n <= to; n++)
            plan->vcpus[n] = true;
        least = to + 2;
    }
}

static void read_cpus(struct json_reader *matrix, struct manifest *m)
{
    struct json_reader list, element;
    size_t count = 0;

    if (!json_read_array(matrix, "cpus", JSON_REQUIRED, MATRIX_MAX_CPUS, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t signature = 0;

        if (!json_element_object(&list, i, &element))
            return;
        read_name(&element, "type", m->cpu_names[i], "name of a CPU type");
        (void)json_read_u64(&element, "signature", JSON_REQUIRED, 0, UINT32_MAX, &signature);
        json_read_done(&element);
        m->plan.cpus[i] = (struct matrix_cpu){ .name = m->cpu_names[i], .signature = (uint32_t)signature };
        for (size_t k = 0; k < i; k++)
            if (m->plan.cpus[k].signature == signature)
                json_refuse(&element, "signature", "%" PRIu64 " stands twice", signature);
    }
    m->plan.cpu_count = count;
}

static void read_vmms(struct json_reader *matrix, struct matrix_plan *plan)
{
    struct json_reader list;
    const char *name = NULL;
    size_t count = 0;

    if (!json_read_array(matrix, "vmms", JSON_REQUIRED, VMM_COUNT, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!json_element_string(&list, i, MANIFEST_NAME_BYTES - 1, &name))
            return;
        /* One spelling: vmm_find() takes any case. */
        if (vmm_find(name, &plan->vmms[i]) < 0 || strcmp(vmm_name(plan->vmms[i]), name) != 0)
            json_refuse(&list, NULL, "\"%s\" is no VMM that is known here", name);
        for (size_t k = 0; k < i; k++)
            if (plan->vmms[k] == plan->vmms[i])
                json_refuse(&list, NULL, "\"%s\" stands twice", name);
    }
    plan->vmm_count = count;
}

static void read_features(struct json_reader *matrix, struct matrix_plan *plan)
{
    struct json_reader list;
    size_t count = 0;

    if (!json_read_array(matrix, "guest_features", JSON_REQUIRED, MATRIX_MAX_FEATURES, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!json_element_u64(&list, i, MANIFEST_MAX_NUMBER, &plan->features[i]))
            return;
        for (size_t k = 0; k < i; k++)
            if (plan->features[k] == plan->features[i])
                json_refuse(&list, NULL, "%" PRIu64 " stands twice", plan->features[i]);
    }
    plan->feature_count = count;
}

static void read_matrix(struct json_reader *predicate, struct manifest *m)
{
    struct json_reader matrix;

    if (!json_read_object(predicate, "matrix", JSON_REQUIRED, &matrix))
        return;
    read_vmms(&matrix, &m->plan);
    read_cpus(&matrix, m);
    read_features(&matrix, &m->plan);
    read_vcpus(&matrix, &m->plan);
    json_read_done(&matrix);
    if (!matrix.status->error && !manifest_plan_rows(&m->plan))
        json_refuse(&matrix, NULL, "gives no row, or more than %u", MANIFEST_MAX_ROWS);
}

/* A row as it is written, to be compared with the one that belongs there. */
struct written_row {
    const char *vmm, *type;
    bool has_signature;
    uint64_t signature, features, vcpus;
};

static void read_row(struct json_reader *reader, struct written_row *row, uint8_t digest[LAUNCH_DIGEST_BYTES])
{
    *row = (struct written_row){ .vmm = "", .type = "" };
    (void)json_read_string(reader, "vmm", JSON_REQUIRED, MANIFEST_NAME_BYTES - 1, &row->vmm);
    (void)json_read_string(reader, "vcpu_type", JSON_OPTIONAL, MANIFEST_NAME_BYTES - 1, &row->type);
    row->has_signature = json_read_u64(reader, "vcpu_sig", JSON_OPTIONAL, 0, UINT32_MAX, &row->signature);
    (void)json_read_u64(reader, "guest_features", JSON_REQUIRED, 0, MANIFEST_MAX_NUMBER, &row->features);
    (void)json_read_u64(reader, "vcpus", JSON_REQUIRED, 1, VCPUS_MAX, &row->vcpus);
    (void)json_read_hex(reader, "digest", JSON_REQUIRED, digest, LAUNCH_DIGEST_BYTES);
    json_read_done(reader);
}

static bool is_row(const struct written_row *written, const struct manifest_row *row)
{
    return strcmp(written->vmm, vmm_name(row->vmm)) == 0 && written->features == row->features &&
           written->vcpus == row->vcpus && written->has_signature == (row->cpu != NULL) &&
           strcmp(written->type, row->cpu ? row->cpu->name : "") == 0 &&
           (!row->cpu || written->signature == row->cpu->signature);
}

/* Says what is wrong with a row that is not the one that belongs at its place. */
static void refuse_row(struct json_reader *element, const struct written_row *written, const struct manifest *m,
                       size_t place)
{
    size_t total = manifest_plan_rows(&m->plan), index = 0;
    struct manifest_row expected;

    while (index < total) {
        expected = manifest_plan_row(&m->plan, index);
        if (is_row(written, &expected))
            break;
        index++;
    }
    if (index == total)
        json_refuse(element, NULL, "%s, %s, %" PRIu64 " vCPUs, features 0x%" PRIx64 " is no row of the matrix",
                    written->vmm, written->type, written->vcpus, written->features);
    else if (index < place)
        json_refuse(element, NULL, "%s, %s, %" PRIu64 " vCPUs, features 0x%" PRIx64 " stands twice", written->vmm,
                    written->type, written->vcpus, written->features);
    else {
        expected = manifest_plan_row(&m->plan, place);
        json_refuse(element, NULL, "the row before it is missing: %s, %s, %u vCPUs, features 0x%" PRIx64,
                    vmm_name(expected.vmm), expected.cpu ? expected.cpu->name : "", expected.vcpus, expected.features);
    }
}

static void read_rows(struct json_reader *predicate, struct manifest *m)
{
    size_t total = predicate->status->error ? 0 : manifest_plan_rows(&m->plan), count = 0;
    struct json_reader list, element;

    if (!json_read_array(predicate, "rows", JSON_REQUIRED, MANIFEST_MAX_ROWS, &list, &count) || !total)
        return;
    m->digests = calloc(total, sizeof(*m->digests));
    if (!m->digests) {
        predicate->status->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < count && !predicate->status->error; i++) {
        struct manifest_row expected = manifest_plan_row(&m->plan, i < total ? i : 0);
        struct written_row written;
        uint8_t digest[LAUNCH_DIGEST_BYTES];

        if (!json_element_object(&list, i, &element))
            return;
        read_row(&element, &written, digest);
        if (predicate->status->error)
            return;
        if (i >= total || !is_row(&written, &expected))
            refuse_row(&element, &written, m, i);
        else
            memcpy(m->digests[i], digest, sizeof(digest));
    }
    if (count < total)
        json_refuse(&list, NULL, "has %zu rows, but the matrix gives %zu", count, total);
    m->row_count = total;
}

int manifest_parse(const void *text, size_t size, struct manifest **ret_manifest, struct reason *why)
{
    CLEANUP_MANIFEST struct manifest *m = manifest_new();
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { .why = why };
    struct json_reader reader, predicate;
    int r = m ? json_parse(text, size, DSSE_MAX_PAYLOAD_BYTES, &root, why) : -ENOMEM;

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    read_constant(&reader, "_type", MANIFEST_STATEMENT_TYPE);
    read_constant(&reader, "predicateType", MANIFEST_PREDICATE_TYPE);
    read_subjects(&reader, m);
    if (json_read_object(&reader, "predicate", JSON_REQUIRED, &predicate)) {
        read_inputs(&predicate, m);
        read_tools(&predicate, m);
        read_matrix(&predicate, m);
        read_rows(&predicate, m);
        json_read_done(&predicate);
    }
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_manifest = m;
    m = NULL;
    return 0;
}
