/* Policy documents and decisions as JSON; both have been made here. */
#include <string.h>

#include "attest/bits.h"
#include "attest/policy.h"
#include "base/encode.h"

/* The longest text: a signer's key in base64, a chip id in hexadecimal. */
#define TEXT_BYTES HEX_TEXT_BYTES(POLICY_SIGNER_BYTES)

/* A comma where something stands before, then the name. */
static void begin(struct buffer *to, const char *name)
{
    char last = to->size ? (char)to->data[to->size - 1] : '{';

    buffer_printf(to, "%s\"%s\":", last == '{' ? "" : ",", name);
}

static void write_hex(struct buffer *to, const uint8_t *data, size_t size)
{
    char text[TEXT_BYTES];

    hex_encode(data, size, text);
    buffer_printf(to, "\"%s\"", text);
}

static void write_hex_member(struct buffer *to, const char *name, bool has, const uint8_t *data, size_t size)
{
    if (!has)
        return;
    begin(to, name);
    write_hex(to, data, size);
}

static void write_hex_list(struct buffer *to, const char *name, const uint8_t *list, size_t count, size_t size)
{
    begin(to, name);
    buffer_add_text(to, "[");
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(to, i ? "," : "");
        write_hex(to, list + i * size, size);
    }
    buffer_add_text(to, "]");
}

static void write_manifests(struct buffer *to, const struct policy *policy)
{
    begin(to, "manifests");
    buffer_add_text(to, "{\"signers\":[");
    for (size_t i = 0; i < policy->signer_count; i++) {
        char text[TEXT_BYTES];

        (void)base64_encode(BASE64_STANDARD, policy->signers[i].der, policy->signers[i].size, text);
        buffer_printf(to, "%s\"%s\"", i ? "," : "", text);
    }
    buffer_printf(to, "],\"threshold\":%u}", policy->signer_threshold);
}

static void write_keys(struct buffer *to, const char *name, const struct policy_key *keys, size_t count)
{
    if (!count)
        return;
    begin(to, name);
    buffer_add_text(to, "[");
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(to, i ? ",{\"digest\":" : "{\"digest\":");
        write_hex(to, keys[i].digest, KEY_DIGEST_BYTES);
        buffer_printf(to, ",\"minimum_guest_svn\":%u}", keys[i].minimum_guest_svn);
    }
    buffer_add_text(to, "]");
}

static void write_bit_list(struct buffer *to, const char *name, const struct bit_names *names, uint64_t value)
{
    const char *comma = "";

    if (!value)
        return;
    begin(to, name);
    buffer_add_text(to, "[");
    for (unsigned i = 0; i < 64; i++) {
        if (!(value >> i & 1))
            continue;
        buffer_printf(to, "%s\"%s\"", comma, names->names[i]);
        comma = ",";
    }
    buffer_add_text(to, "]");
}

static void write_bits(struct buffer *to, const char *name, const struct bit_names *names,
                       const struct policy_bits *bits)
{
    if (!bits->required && !bits->forbidden)
        return;
    begin(to, name);
    buffer_add_text(to, "{");
    write_bit_list(to, "required", names, bits->required);
    write_bit_list(to, "forbidden", names, bits->forbidden);
    buffer_add_text(to, "}");
}

static void write_tcb(struct buffer *to, const char *name, const struct tcb *tcb)
{
    begin(to, name);
    buffer_printf(to, "{\"fmc\":%u,\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u}", tcb->fmc,
                  tcb->bootloader, tcb->tee, tcb->snp, tcb->microcode);
}

static void write_product_tcb(struct buffer *to, const struct policy *policy)
{
    static const char *const kinds[] = { "reported", "committed", "launch" };

    begin(to, "minimum_tcb_by_product");
    buffer_add_text(to, "{");
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++) {
        const struct policy_tcb *tcb = &policy->product_tcb[product];

        if (!tcb->named)
            continue;
        begin(to, product_name(product));
        buffer_add_text(to, "{");
        for (size_t i = 0; i < POLICY_TCB_KINDS; i++)
            if (tcb->has[i])
                write_tcb(to, kinds[i], &tcb->minimum[i]);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "}");
}

static void write_version(struct buffer *to, const char *name, bool has, const struct firmware_version *version)
{
    if (!has)
        return;
    begin(to, name);
    buffer_printf(to, "\"%u.%u.%u\"", version->major, version->minor, version->build);
}

static void write_platform(struct buffer *to, const struct policy *policy)
{
    if (policy->has_minimum_tcb)
        write_tcb(to, "minimum_tcb", &policy->minimum_tcb);
    if (policy->has_product_tcb)
        write_product_tcb(to, policy);
    if (policy->has_current_firmware || policy->has_committed_firmware) {
        begin(to, "minimum_firmware");
        buffer_add_text(to, "{");
        write_version(to, "current", policy->has_current_firmware, &policy->current_firmware);
        write_version(to, "committed", policy->has_committed_firmware, &policy->committed_firmware);
        buffer_add_text(to, "}");
    }
    if (policy->launch_mitigations || policy->current_mitigations) {
        begin(to, "mitigations");
        buffer_printf(to, "{\"launch\":%llu,\"current\":%llu}", (unsigned long long)policy->launch_mitigations,
                      (unsigned long long)policy->current_mitigations);
    }
    if (policy->products) {
        const char *comma = "";

        begin(to, "products");
        buffer_add_text(to, "[");
        for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++) {
            if (!(policy->products >> product & 1))
                continue;
            buffer_printf(to, "%s\"%s\"", comma, product_name(product));
            comma = ",";
        }
        buffer_add_text(to, "]");
    }
    if (policy->allowed_chip_count || policy->denied_chip_count) {
        begin(to, "chip_ids");
        buffer_add_text(to, "{");
        if (policy->allowed_chip_count)
            write_hex_list(to, "allowed", policy->allowed_chips[0], policy->allowed_chip_count, CHIP_ID_BYTES);
        if (policy->denied_chip_count)
            write_hex_list(to, "denied", policy->denied_chips[0], policy->denied_chip_count, CHIP_ID_BYTES);
        buffer_add_text(to, "}");
    }
}

static void write_coverage(struct buffer *to, const char *name, enum coverage coverage)
{
    if (coverage == COVERAGE_UNKNOWN)
        return;
    begin(to, name);
    buffer_printf(to, "\"%s\"", coverage_name(coverage));
}

static void write_true(struct buffer *to, const char *name, bool value)
{
    if (!value)
        return;
    begin(to, name);
    buffer_add_text(to, "true");
}

void policy_write(const struct policy *policy, struct buffer *to)
{
    buffer_add_text(to, "{");
    if (policy->measurement_count)
        write_hex_list(to, "measurements", policy->measurements[0], policy->measurement_count, MEASUREMENT_BYTES);
    if (policy->signer_count)
        write_manifests(to, policy);
    write_coverage(to, "coverage", policy->coverage);
    write_coverage(to, "least_coverage", policy->least_coverage);
    begin(to, "allow_debug");
    buffer_printf(to, "%s,\"allow_migration_agent\":%s,\"vmpl\":%u", policy->allow_debug ? "true" : "false",
                  policy->allow_migration_agent ? "true" : "false", policy->vmpl);
    write_true(to, "allow_vlek", policy->allow_vlek);
    write_true(to, "require_revocation_list", policy->require_revocation_list);
    write_bits(to, "guest_policy", &guest_policy_bits, &policy->guest_policy);
    write_bits(to, "platform_info", &platform_info_bits, &policy->platform_info);
    write_hex_member(to, "family_id", policy->has_family_id, policy->family_id, sizeof(policy->family_id));
    write_hex_member(to, "image_id", policy->has_image_id, policy->image_id, sizeof(policy->image_id));
    write_hex_member(to, "host_data", policy->has_host_data, policy->host_data, HOST_DATA_BYTES);
    write_hex_member(to, "report_data", policy->has_report_data, policy->report_data, REPORT_DATA_BYTES);
    write_keys(to, "id_keys", policy->id_keys, policy->id_key_count);
    write_keys(to, "author_keys", policy->author_keys, policy->author_key_count);
    write_platform(to, policy);
    buffer_add_text(to, "}");
}

void policy_write_checks(const struct policy_decision *decision, struct buffer *to)
{
    buffer_add_text(to, "[");
    for (size_t i = 0; i < decision->count; i++) {
        const struct policy_check *check = &decision->checks[i];

        buffer_add_text(to, i ? ",{\"check\":" : "{\"check\":");
        buffer_add_json_string(to, check->name);
        buffer_printf(to, ",\"passed\":%s,\"wanted\":", check->passed ? "true" : "false");
        buffer_add_json_string(to, check->wanted);
        buffer_add_text(to, ",\"found\":");
        buffer_add_json_string(to, check->found);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "]");
}
