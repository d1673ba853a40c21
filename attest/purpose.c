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
};

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

int purpose_report_data(enum purpose purpose, const char *label, const void *data, size_t size,
                        uint8_t ret_report_data[REPORT_DATA_BYTES])
{
    uint8_t report_data[REPORT_DATA_BYTES] = { 0 };
    int r;

    if (purpose != PURPOSE_RELEASE && !label)
        return -EINVAL;
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
