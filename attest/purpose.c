/* REPORT_DATA by purpose; the data may come from anybody, the tag only from here. */
#include "attest/purpose.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"

#define TAG_BYTES 16
#define HASH_BYTES (REPORT_DATA_BYTES - TAG_BYTES)

static const char *const tags[] = {
    [PURPOSE_RELEASE] = "",
    [PURPOSE_SELF] = "postern/self",
    [PURPOSE_WORKLOAD] = "postern/workload",
    [PURPOSE_TOOL] = "postern/tool",
};

/* Every tag of ours starts like this, those of purposes that come later as well. */
static const char reserved[] = "postern/";

static int hash_labelled(const char *label, const void *data, size_t size, uint8_t ret_hash[HASH_BYTES])
{
    static const char domain[] = "postern:";
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = context && EVP_DigestInit_ex2(context, EVP_sha384(), NULL) == 1;

    if (ok && label)
        ok = EVP_DigestUpdate(context, domain, strlen(domain)) == 1 &&
             EVP_DigestUpdate(context, label, strlen(label) + 1) == 1;
    ok = ok && EVP_DigestUpdate(context, data, size) == 1 && EVP_DigestFinal_ex(context, ret_hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok ? 0 : -ENOMEM;
}

/* Bytes that somebody chose: they must not pass for a report that was made for a purpose. */
static int take_chosen(const uint8_t *data, size_t size, uint8_t ret_report_data[REPORT_DATA_BYTES], struct reason *why)
{
    if (size != REPORT_DATA_BYTES)
        return reason_set(why, -EINVAL, "%zu bytes of request data, expected %u", size, REPORT_DATA_BYTES);
    if (purpose_is_release(data))
        return reason_set(why, -EPERM,
                          "the request data ends in 16 zero bytes: such reports are for the release of keys to PID 1 "
                          "alone; fill the last 16 bytes");
    if (memcmp(data + HASH_BYTES, reserved, strlen(reserved)) == 0)
        return reason_set(why, -EPERM, "the request data has \"%s\" at byte 48: that is reserved for Postern's own "
                          "purposes; put something else there", reserved);
    memcpy(ret_report_data, data, REPORT_DATA_BYTES);
    return 0;
}

int purpose_report_data(enum purpose purpose, const char *label, const void *data, size_t size,
                        uint8_t ret_report_data[REPORT_DATA_BYTES], struct reason *why)
{
    uint8_t report_data[REPORT_DATA_BYTES] = { 0 };
    int r;

    if (purpose == PURPOSE_CHOSEN)
        return take_chosen(data, size, ret_report_data, why);
    if (purpose != PURPOSE_RELEASE && !label)
        return reason_set(why, -EINVAL, "a report for this purpose needs a label");
    r = hash_labelled(purpose == PURPOSE_RELEASE ? NULL : label, data, size, report_data);
    if (r < 0)
        return r;
    memcpy(report_data + HASH_BYTES, tags[purpose], strlen(tags[purpose]));
    memcpy(ret_report_data, report_data, sizeof(report_data));
    return 0;
}

bool purpose_is_release(const uint8_t report_data[REPORT_DATA_BYTES])
{
    return all_zero(report_data + HASH_BYTES, TAG_BYTES);
}
