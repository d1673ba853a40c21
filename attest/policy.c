/* Decisions over verified reports. The report's fields are true by now; whether they are wanted is decided here. */
#include "attest/policy-check.h"

#include <stdio.h>
#include <string.h>

#include "attest/bits.h"
#include "base/cursor.h"
#include "base/encode.h"

#define KEY_INFO_AUTHOR_KEY_ENABLED 1u

struct policy_check *policy_add_check(const struct policy_evaluation *e, const char *name, bool passed)
{
    struct policy_check *check = &e->decision->checks[e->decision->count++];

    *check = (struct policy_check){ .name = name, .passed = passed };
    if (!passed && !e->decision->failed)
        e->decision->failed = check;
    return check;
}

void policy_add_bytes(const struct policy_evaluation *e, const char *name, const uint8_t *wanted, const uint8_t *found,
                      size_t size)
{
    struct policy_check *check = policy_add_check(e, name, memcmp(wanted, found, size) == 0);

    hex_encode(wanted, size, check->wanted);
    hex_encode(found, size, check->found);
}

/* ------------------------------------------------------------------------------------------------ what is launched */

/* A bit of the guest policy that is only acceptable when the document says so. */
static void check_policy_bit(const struct policy_evaluation *e, const char *name, uint64_t bit, bool allowed)
{
    bool set = e->report->policy & bit;
    struct policy_check *check = policy_add_check(e, name, !set || allowed);

    POLICY_SAY(check->wanted, "%s", allowed ? "any" : "0");
    POLICY_SAY(check->found, "%d", set);
}

static void check_bits(const struct policy_evaluation *e, const char *required, const char *forbidden,
                       const struct policy_bits *bits, const struct bit_names *names, uint64_t value)
{
    struct policy_check *check;

    if (bits->required) {
        check = policy_add_check(e, required, (value & bits->required) == bits->required);
        bit_describe(names, bits->required, check->wanted, POLICY_TEXT_BYTES);
        bit_describe(names, value & bits->required, check->found, POLICY_TEXT_BYTES);
    }
    if (bits->forbidden) {
        check = policy_add_check(e, forbidden, !(value & bits->forbidden));
        POLICY_SAY(check->wanted, "none");
        bit_describe(names, value & bits->forbidden, check->found, POLICY_TEXT_BYTES);
    }
}

void policy_check_guest(const struct policy_evaluation *e)
{
    const struct policy *policy = e->policy;
    struct policy_check *check;

    check_policy_bit(e, "guest_policy.debug", GUEST_POLICY_DEBUG, policy->allow_debug);
    check_policy_bit(e, "guest_policy.migrate_ma", GUEST_POLICY_MIGRATE_MA, policy->allow_migration_agent);
    check_bits(e, "guest_policy.required", "guest_policy.forbidden", &policy->guest_policy, &guest_policy_bits,
               e->report->policy);
    check = policy_add_check(e, "vmpl", e->report->vmpl == policy->vmpl);
    POLICY_SAY(check->wanted, "%u", policy->vmpl);
    POLICY_SAY(check->found, "%u", e->report->vmpl);
}

void policy_check_identity(const struct policy_evaluation *e)
{
    const struct policy *policy = e->policy;

    if (policy->has_family_id)
        policy_add_bytes(e, "family_id", policy->family_id, e->report->family_id, sizeof(policy->family_id));
    if (policy->has_image_id)
        policy_add_bytes(e, "image_id", policy->image_id, e->report->image_id, sizeof(policy->image_id));
    if (policy->has_host_data)
        policy_add_bytes(e, "host_data", policy->host_data, e->report->host_data, HOST_DATA_BYTES);
}

/*
 * The key's digest is listed, and the guest's SVN is at least what its entry says, or one of its entries when it has
 * several. `enabled`: the report has one.
 */
static void check_key(const struct policy_evaluation *e, const char *name, const struct policy_key *keys, size_t count,
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
    check = policy_add_check(e, name, listed && e->report->guest_svn >= shown->minimum_guest_svn);
    hex_encode(shown->digest, KEY_DIGEST_BYTES, hex);
    if (listed || count == 1)
        POLICY_SAY(check->wanted, "%s, guest SVN at least %u", hex, shown->minimum_guest_svn);
    else
        POLICY_SAY(check->wanted, "one of %zu keys", count);
    hex_encode(digest, KEY_DIGEST_BYTES, hex);
    POLICY_SAY(check->found, "%s%s, guest SVN %u", enabled ? "" : "no key; ", hex, e->report->guest_svn);
}

void policy_check_keys(const struct policy_evaluation *e)
{
    const struct report *report = e->report;

    if (e->policy->id_key_count) /* all zero: launched without an ID block */
        check_key(e, "id_key", e->policy->id_keys, e->policy->id_key_count, report->id_key_digest,
                  !all_zero(report->id_key_digest, KEY_DIGEST_BYTES));
    if (e->policy->author_key_count)
        check_key(e, "author_key", e->policy->author_keys, e->policy->author_key_count, report->author_key_digest,
                  report->key_info & KEY_INFO_AUTHOR_KEY_ENABLED);
}

bool policy_lists(const void *list, size_t count, const uint8_t *item, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp((const uint8_t *)list + i * size, item, size) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------------ what it runs upon */

static void describe_tcb(const struct tcb *tcb, char *to)
{
    POLICY_SAY(to, "fmc %u bootloader %u tee %u snp %u microcode %u", tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp,
               tcb->microcode);
}

static void check_tcb(const struct policy_evaluation *e, const char *name, uint64_t raw, const struct tcb *minimum)
{
    enum product product = e->facts->product;
    struct tcb found = tcb_decode(product, raw);
    struct policy_check *check = policy_add_check(e, name, product != PRODUCT_UNKNOWN && tcb_at_least(&found, minimum));

    describe_tcb(minimum, check->wanted);
    describe_tcb(&found, check->found);
}

static void check_product_tcb(const struct policy_evaluation *e)
{
    static const char *const names[] = { "minimum_tcb.reported", "minimum_tcb.committed", "minimum_tcb.launch" };
    const uint64_t raw[] = { e->report->reported_tcb, e->report->committed_tcb, e->report->launch_tcb };
    const struct policy_tcb *tcb = &e->policy->product_tcb[e->facts->product];
    struct policy_check *check;

    if (!tcb->named) {
        check = policy_add_check(e, "minimum_tcb.product", false);
        POLICY_SAY(check->wanted, "a product with a minimum");
        POLICY_SAY(check->found, "%s", product_name(e->facts->product));
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

static void check_firmware(const struct policy_evaluation *e, const char *name, const struct firmware_version *minimum,
                           const struct firmware_version *found)
{
    struct policy_check *check = policy_add_check(e, name, version_number(found) >= version_number(minimum));

    POLICY_SAY(check->wanted, "at least %u.%u.%u", minimum->major, minimum->minor, minimum->build);
    POLICY_SAY(check->found, "%u.%u.%u", found->major, found->minor, found->build);
}

static void check_mitigations(const struct policy_evaluation *e, const char *name, uint64_t wanted, uint64_t found)
{
    bool has = e->report->version >= 5;
    struct policy_check *check = policy_add_check(e, name, has && (found & wanted) == wanted);

    POLICY_SAY(check->wanted, "all of 0x%llx", (unsigned long long)wanted);
    if (has)
        POLICY_SAY(check->found, "0x%llx", (unsigned long long)found);
    else
        POLICY_SAY(check->found, "nothing: reports of version %u have no mitigation vectors", e->report->version);
}

static void check_product(const struct policy_evaluation *e)
{
    struct policy_check *check = policy_add_check(e, "product", e->policy->products >> e->facts->product & 1);
    size_t used = 0;

    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (e->policy->products >> product & 1)
            used += (size_t)snprintf(check->wanted + used, POLICY_TEXT_BYTES - used, "%s%s", used ? " or " : "",
                                     product_name(product));
    POLICY_SAY(check->found, "%s", product_name(e->facts->product));
}

static void check_chips(const struct policy_evaluation *e)
{
    const struct policy *policy = e->policy;
    const uint8_t *id = e->report->chip_id;
    bool masked = all_zero(id, CHIP_ID_BYTES);
    struct policy_check *check;

    if (policy->has_allowed_chips) {
        check = policy_add_check(e, "chip_id.allowed",
                    !masked && policy_lists(policy->allowed_chips, policy->allowed_chip_count, id, CHIP_ID_BYTES));
        POLICY_SAY(check->wanted, "one of %zu", policy->allowed_chip_count);
        hex_encode(id, CHIP_ID_BYTES, check->found);
    }
    if (policy->denied_chip_count) { /* a masked id may be any chip's */
        check = policy_add_check(e, "chip_id.denied",
                    !masked && !policy_lists(policy->denied_chips, policy->denied_chip_count, id, CHIP_ID_BYTES));
        POLICY_SAY(check->wanted, "none of %zu", policy->denied_chip_count);
        hex_encode(id, CHIP_ID_BYTES, check->found);
    }
}

void policy_check_platform(const struct policy_evaluation *e)
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

void policy_evaluate_expectations(const struct policy *policy, const struct policy_facts *facts,
                                  struct policy_decision *ret_decision)
{
    const struct policy_evaluation e = { policy, facts, facts->report, ret_decision };

    *ret_decision = (struct policy_decision){ .count = 0 };
    policy_check_guest(&e);
    policy_check_platform(&e);
    policy_check_identity(&e);
    policy_check_keys(&e);
}
