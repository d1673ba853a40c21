/* Decisions over verified reports. The report's fields are true by now; whether they are wanted is decided here. */
#include "attest/policy.h"

#include <stdio.h>
#include <string.h>

#include "attest/bits.h"
#include "base/cursor.h"
#include "base/encode.h"

#define KEY_INFO_AUTHOR_KEY_ENABLED 1u

struct evaluation {
    const struct policy *policy;
    const struct policy_facts *facts;
    const struct report *report;
    struct policy_decision *decision;
};

static const char *const coverage_names[] = {
    [COVERAGE_UNKNOWN] = "not stated",
    [COVERAGE_FIRMWARE_ONLY] = "firmware-only",
    [COVERAGE_FIRMWARE_VTPM] = "firmware+vtpm",
    [COVERAGE_IMAGE] = "image",
};

const char *coverage_name(enum coverage coverage)
{
    return coverage_names[coverage];
}

static struct policy_check *add(const struct evaluation *e, const char *name, bool passed)
{
    struct policy_check *check = &e->decision->checks[e->decision->count++];

    *check = (struct policy_check){ .name = name, .passed = passed };
    if (!passed && !e->decision->failed)
        e->decision->failed = check;
    return check;
}

static void add_bytes(const struct evaluation *e, const char *name, const uint8_t *wanted, const uint8_t *found,
                      size_t size)
{
    struct policy_check *check = add(e, name, memcmp(wanted, found, size) == 0);

    hex_encode(wanted, size, check->wanted);
    hex_encode(found, size, check->found);
}

#define say(where, ...) ((void)snprintf((where), POLICY_TEXT_BYTES, __VA_ARGS__))

/* ------------------------------------------------------------------------------------------------ what is launched */

/* A bit of the guest policy that is only acceptable when the document says so. */
static void check_policy_bit(const struct evaluation *e, const char *name, uint64_t bit, bool allowed)
{
    bool set = e->report->policy & bit;
    struct policy_check *check = add(e, name, !set || allowed);

    say(check->wanted, "%s", allowed ? "any" : "0");
    say(check->found, "%d", set);
}

static void check_bits(const struct evaluation *e, const char *required, const char *forbidden,
                       const struct policy_bits *bits, const struct bit_names *names, uint64_t value)
{
    struct policy_check *check;

    if (bits->required) {
        check = add(e, required, (value & bits->required) == bits->required);
        bit_describe(names, bits->required, check->wanted, POLICY_TEXT_BYTES);
        bit_describe(names, value & bits->required, check->found, POLICY_TEXT_BYTES);
    }
    if (bits->forbidden) {
        check = add(e, forbidden, !(value & bits->forbidden));
        say(check->wanted, "none");
        bit_describe(names, value & bits->forbidden, check->found, POLICY_TEXT_BYTES);
    }
}

static void check_vmpl(const struct evaluation *e)
{
    struct policy_check *check = add(e, "vmpl", e->report->vmpl == e->policy->vmpl);

    say(check->wanted, "%u", e->policy->vmpl);
    say(check->found, "%u", e->report->vmpl);
}

static void check_identity(const struct evaluation *e)
{
    const struct policy *policy = e->policy;

    if (policy->has_family_id)
        add_bytes(e, "family_id", policy->family_id, e->report->family_id, sizeof(policy->family_id));
    if (policy->has_image_id)
        add_bytes(e, "image_id", policy->image_id, e->report->image_id, sizeof(policy->image_id));
    if (policy->has_host_data)
        add_bytes(e, "host_data", policy->host_data, e->report->host_data, HOST_DATA_BYTES);
    if (policy->has_report_data)
        add_bytes(e, "report_data", policy->report_data, e->report->report_data, REPORT_DATA_BYTES);
}

/*
 * The key's digest is listed, and the guest's SVN is at least what its entry says, or one of its entries when it has
 * several. `enabled`: the report has one.
 */
static void check_key(const struct evaluation *e, const char *name, const struct policy_key *keys, size_t count,
                      const uint8_t digest[KEY_DIGEST_BYTES], bool enabled)
{
    const struct policy_key *shown = &keys[0];
    char hex[HEX_TEXT_BYTES(KEY_DIGEST_BYTES)];
    bool listed = false;
    struct policy_check *check;

    for (size_t i = 0; enabled && i < count; i++) {
        if (memcmp(keys[i].digest, digest, KEY_DIGEST_BYTES) != 0)
            continue;
        if (!listed || keys[i].minimum_guest_svn < shown->minimum_guest_svn)
            shown = &keys[i];
        listed = true;
    }
    check = add(e, name, listed && e->report->guest_svn >= shown->minimum_guest_svn);
    hex_encode(shown->digest, KEY_DIGEST_BYTES, hex);
    if (listed || count == 1)
        say(check->wanted, "%s, guest SVN at least %u", hex, shown->minimum_guest_svn);
    else
        say(check->wanted, "one of %zu keys", count);
    hex_encode(digest, KEY_DIGEST_BYTES, hex);
    say(check->found, "%s%s, guest SVN %u", enabled ? "" : "no key; ", hex, e->report->guest_svn);
}

static void check_keys(const struct evaluation *e)
{
    const struct report *report = e->report;

    if (e->policy->id_key_count) /* all zero: launched without an ID block */
        check_key(e, "id_key", e->policy->id_keys, e->policy->id_key_count, report->id_key_digest,
                  !all_zero(report->id_key_digest, KEY_DIGEST_BYTES));
    if (e->policy->author_key_count)
        check_key(e, "author_key", e->policy->author_keys, e->policy->author_key_count, report->author_key_digest,
                  report->key_info & KEY_INFO_AUTHOR_KEY_ENABLED);
}

static bool listed(const uint8_t *list, size_t count, const uint8_t *item, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(list + i * size, item, size) == 0)
            return true;
    return false;
}

static void check_measurement(const struct evaluation *e)
{
    const struct policy *policy = e->policy;
    bool named = policy->measurement_count && listed(policy->measurements[0], policy->measurement_count,
                                                     e->report->measurement, MEASUREMENT_BYTES);
    bool in_manifest = policy->signer_count && e->facts->in_manifest;
    struct policy_check *check;

    e->decision->coverage = in_manifest ? e->facts->manifest_coverage : policy->coverage;
    if (policy->any_measurement)
        return;
    /* Whoever asks for the holder of a key alone accepts each launch that the holder signed. */
    if (!policy->measurement_count && !policy->signer_count && (policy->id_key_count || policy->author_key_count))
        return;
    check = add(e, "measurement", named || in_manifest);
    if (policy->measurement_count == 1 && !policy->signer_count)
        hex_encode(policy->measurements[0], MEASUREMENT_BYTES, check->wanted);
    else if (!policy->signer_count)
        say(check->wanted, "one of %zu", policy->measurement_count);
    else
        say(check->wanted, "one of %zu, or in a manifest that %u of %zu signers signed", policy->measurement_count,
            policy->signer_threshold, policy->signer_count);
    hex_encode(e->report->measurement, MEASUREMENT_BYTES, check->found);
}

static void check_coverage(const struct evaluation *e)
{
    struct policy_check *check;

    if (e->policy->least_coverage == COVERAGE_UNKNOWN)
        return;
    check = add(e, "coverage", e->decision->coverage >= e->policy->least_coverage);
    say(check->wanted, "at least %s", coverage_name(e->policy->least_coverage));
    say(check->found, "%s", coverage_name(e->decision->coverage));
}

/* ------------------------------------------------------------------------------------------------ what it runs upon */

static void describe_tcb(const struct tcb *tcb, char *to)
{
    say(to, "fmc %u bootloader %u tee %u snp %u microcode %u", tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp,
        tcb->microcode);
}

static void check_tcb(const struct evaluation *e, const char *name, uint64_t raw, const struct tcb *minimum)
{
    enum product product = e->facts->product;
    struct tcb found = tcb_decode(product, raw);
    struct policy_check *check = add(e, name, product != PRODUCT_UNKNOWN && tcb_at_least(&found, minimum));

    describe_tcb(minimum, check->wanted);
    describe_tcb(&found, check->found);
}

static void check_product_tcb(const struct evaluation *e)
{
    static const char *const names[] = { "minimum_tcb.reported", "minimum_tcb.committed", "minimum_tcb.launch" };
    const uint64_t raw[] = { e->report->reported_tcb, e->report->committed_tcb, e->report->launch_tcb };
    const struct policy_tcb *tcb = &e->policy->product_tcb[e->facts->product];
    struct policy_check *check;

    if (!tcb->named) {
        check = add(e, "minimum_tcb.product", false);
        say(check->wanted, "a product with a minimum");
        say(check->found, "%s", product_name(e->facts->product));
        return;
    }
    for (size_t i = 0; i < POLICY_TCB_KINDS; i++)
        if (tcb->has[i])
            check_tcb(e, names[i], raw[i], &tcb->minimum[i]);
}

static unsigned version_number(const struct firmware_version *version)
{
    return (unsigned)version->major << 16 | (unsigned)version->minor << 8 | version->build;
}

static void check_firmware(const struct evaluation *e, const char *name, const struct firmware_version *minimum,
                           const struct firmware_version *found)
{
    struct policy_check *check = add(e, name, version_number(found) >= version_number(minimum));

    say(check->wanted, "at least %u.%u.%u", minimum->major, minimum->minor, minimum->build);
    say(check->found, "%u.%u.%u", found->major, found->minor, found->build);
}

static void check_mitigations(const struct evaluation *e, const char *name, uint64_t wanted, uint64_t found)
{
    bool has = e->report->version >= 5;
    struct policy_check *check = add(e, name, has && (found & wanted) == wanted);

    say(check->wanted, "all of 0x%llx", (unsigned long long)wanted);
    if (has)
        say(check->found, "0x%llx", (unsigned long long)found);
    else
        say(check->found, "nothing: reports of version %u have no mitigation vectors", e->report->version);
}

static void check_product(const struct evaluation *e)
{
    struct policy_check *check = add(e, "product", e->policy->products >> e->facts->product & 1);
    size_t used = 0;

    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (e->policy->products >> product & 1)
            used += (size_t)snprintf(check->wanted + used, POLICY_TEXT_BYTES - used, "%s%s", used ? " or " : "",
                                     product_name(product));
    say(check->found, "%s", product_name(e->facts->product));
}

static void check_chips(const struct evaluation *e)
{
    const struct policy *policy = e->policy;
    const uint8_t *id = e->report->chip_id;
    bool masked = all_zero(id, CHIP_ID_BYTES);
    struct policy_check *check;

    if (policy->has_allowed_chips) {
        check = add(e, "chip_id.allowed",
                    !masked && listed(policy->allowed_chips[0], policy->allowed_chip_count, id, CHIP_ID_BYTES));
        say(check->wanted, "one of %zu", policy->allowed_chip_count);
        hex_encode(id, CHIP_ID_BYTES, check->found);
    }
    if (policy->denied_chip_count) { /* a masked id may be any chip's */
        check = add(e, "chip_id.denied",
                    !masked && !listed(policy->denied_chips[0], policy->denied_chip_count, id, CHIP_ID_BYTES));
        say(check->wanted, "none of %zu", policy->denied_chip_count);
        hex_encode(id, CHIP_ID_BYTES, check->found);
    }
}

static void check_endorsement(const struct evaluation *e)
{
    bool vlek = report_signing_key(e->report) == SIGNING_KEY_VLEK;
    struct policy_check *check;

    if (!e->policy->any_measurement) { /* a guest has not verified who signed */
        check = add(e, "signing_key", !vlek || e->policy->allow_vlek);
        say(check->wanted, "%s", e->policy->allow_vlek ? "VCEK or VLEK" : "VCEK");
        say(check->found, "%s", vlek ? "VLEK" : "VCEK");
    }
    if (e->policy->require_revocation_list) {
        check = add(e, "revocation_list", e->facts->revocation_checked);
        say(check->wanted, "checked");
        say(check->found, "%s", e->facts->revocation_checked ? "checked" : "none was given");
    }
}

static void check_platform(const struct evaluation *e)
{
    const struct policy *policy = e->policy;

    if (policy->products)
        check_product(e);
    check_chips(e);
    check_bits(e, "platform_info.required", "platform_info.forbidden", &policy->platform_info, &platform_info_bits,
               e->report->platform_info);
    if (policy->has_minimum_tcb)
        check_tcb(e, "minimum_tcb", e->report->reported_tcb, &policy->minimum_tcb);
    if (policy->has_product_tcb)
        check_product_tcb(e);
    if (policy->has_current_firmware)
        check_firmware(e, "minimum_firmware.current", &policy->current_firmware, &e->report->current);
    if (policy->has_committed_firmware)
        check_firmware(e, "minimum_firmware.committed", &policy->committed_firmware, &e->report->committed);
    if (policy->launch_mitigations)
        check_mitigations(e, "mitigations.launch", policy->launch_mitigations, e->report->launch_mit_vector);
    if (policy->current_mitigations)
        check_mitigations(e, "mitigations.current", policy->current_mitigations, e->report->current_mit_vector);
}

void policy_evaluate(const struct policy *policy, const struct policy_facts *facts,
                     struct policy_decision *ret_decision)
{
    const struct evaluation e = { policy, facts, facts->report, ret_decision };

    *ret_decision = (struct policy_decision){ .count = 0 };
    check_policy_bit(&e, "guest_policy.debug", GUEST_POLICY_DEBUG, policy->allow_debug);
    check_policy_bit(&e, "guest_policy.migrate_ma", GUEST_POLICY_MIGRATE_MA, policy->allow_migration_agent);
    check_bits(&e, "guest_policy.required", "guest_policy.forbidden", &policy->guest_policy, &guest_policy_bits,
               e.report->policy);
    check_vmpl(&e);
    check_endorsement(&e);
    check_platform(&e);
    check_identity(&e);
    check_keys(&e);
    check_measurement(&e);
    check_coverage(&e);
}
