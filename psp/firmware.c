/* The firmware's and the host's part of guest requests. The guest controls the request; the launch is the host's. */
#include "psp/firmware.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

#define REQUEST_VERSION 1
#define VMPL_MAX 3u
#define KEY_SELECT_VCEK 1u
#define KEY_SELECT_VLEK 2u
#define POLICY_KNOWN_BITS UINT64_C(0x3ffffff)

int firmware_check_policy(uint64_t policy, struct reason *why)
{
    if (!(policy & GUEST_POLICY_RESERVED_ONE))
        return reason_set(why, -EINVAL, "policy 0x%llx: bit 17 must be one, or no firmware launches the guest",
                          (unsigned long long)policy);
    if (policy & ~POLICY_KNOWN_BITS)
        return reason_set(why, -EINVAL, "policy 0x%llx: bits from 26 on must be zero", (unsigned long long)policy);
    return 0;
}

/* The start of every response: a status, and for reports the report's size. */
static void start_response(struct psp_answer *answer, uint32_t status, size_t size)
{
    memset(answer->message, 0, sizeof(answer->message));
    put_u32le(answer->message, status);
    answer->message_size = size;
}

/* Asking for a VLEK where none is loaded finds no key. */
static uint32_t check_report_request(const struct chip *chip, const struct report_request *request)
{
    if (!request->reserved_zero || request->vmpl > VMPL_MAX || request->key_select > KEY_SELECT_VLEK)
        return FIRMWARE_INVALID_PARAM;
    return request->key_select == KEY_SELECT_VLEK && !chip->vlek_key ? FIRMWARE_INVALID_KEY : FIRMWARE_SUCCESS;
}

static int answer_report(const struct chip *chip, const struct launch *launch, const struct psp_request *request,
                         struct psp_answer *answer, struct reason *why)
{
    struct report_request report = wire_report_request(request);
    uint32_t status = check_report_request(chip, &report);

    start_response(answer, status, REPORT_RESPONSE_BYTES);
    if (status)
        return 0;
    put_u32le(answer->message + 4, REPORT_BYTES);
    return firmware_sign_report(chip, launch, &report, answer->message + REPORT_RESPONSE_HEAD_BYTES, why);
}

/* The host's part of an extended request: certificates into the guest's pages, or how many pages they need. */
static int answer_extended(const struct chip *chip, const struct launch *launch, const struct psp_request *request,
                           struct psp_answer *answer, struct reason *why)
{
    const uint8_t *table = launch->table ? launch->table : chip->certificates;
    size_t table_size = launch->table ? launch->table_size : chip->certificates_size;
    size_t pages = (table_size + PAGE_BYTES - 1) / PAGE_BYTES;

    if (launch->certificates && request->certificates_room < pages * PAGE_BYTES) {
        answer->host_error = HOST_INVALID_LENGTH;
        answer->certificates_needed = (uint32_t)(pages * PAGE_BYTES);
        return 0;
    }
    if (launch->certificates) {
        memcpy(answer->certificates, table, table_size);
        answer->certificates_size = table_size;
    }
    return answer_report(chip, launch, request, answer, why);
}

/* A guest may ask for keys of its own or lower privilege, its own SVN or older, the committed TCB or older. */
static uint32_t check_key_request(const struct chip *chip, const struct launch *launch,
                                  const struct key_request *request)
{
    struct tcb wanted = tcb_decode(chip->identity.product, request->tcb_version);
    uint32_t root = request->root_key_select >> KEY_ROOT_SELECT_SHIFT & KEY_ROOT_SELECT_MASK;

    if (!request->reserved_zero || request->root_key_select & ~KEY_ROOT_ALL_BITS || root > KEY_SELECT_VLEK ||
        request->field_select & ~(uint64_t)KEY_FIELD_ALL_BITS || request->vmpl > VMPL_MAX ||
        request->guest_svn > launch->guest_svn || !tcb_at_least(&chip->identity.tcb, &wanted) ||
        tcb_encode(chip->identity.product, &wanted) != request->tcb_version)
        return FIRMWARE_INVALID_PARAM;
    return root == KEY_SELECT_VLEK ? FIRMWARE_INVALID_KEY : FIRMWARE_SUCCESS;
}

static int answer_key(const struct chip *chip, const struct launch *launch, const struct psp_request *request,
                      struct psp_answer *answer, struct reason *why)
{
    struct key_request key = wire_key_request(request);
    uint32_t status = check_key_request(chip, launch, &key);

    start_response(answer, status, KEY_RESPONSE_BYTES);
    if (status)
        return 0;
    return firmware_derive_key(chip, launch, &key, answer->message + KEY_RESPONSE_BYTES - DERIVED_KEY_BYTES, why);
}

int firmware_answer(const struct chip *chip, const struct launch *launch, const struct psp_request *request,
                    struct psp_answer *ret_answer, struct reason *why)
{
    ret_answer->firmware_error = FIRMWARE_SUCCESS;
    ret_answer->host_error = 0;
    ret_answer->certificates_needed = 0;
    ret_answer->message_size = 0;
    ret_answer->certificates_size = 0;
    if (request->message_version != REQUEST_VERSION) {
        ret_answer->firmware_error = FIRMWARE_INVALID_PARAM;
        return 0;
    }
    switch (request->kind) {
    case WIRE_REPORT:
        return answer_report(chip, launch, request, ret_answer, why);
    case WIRE_EXTENDED_REPORT:
        return answer_extended(chip, launch, request, ret_answer, why);
    default:
        return answer_key(chip, launch, request, ret_answer, why);
    }
}
