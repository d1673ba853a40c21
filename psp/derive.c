/* Derived keys: HKDF (RFC 5869) with SHA-384 over the chip's secret, or over one launch's key made from it. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>

#include "base/cursor.h"
#include "psp/firmware.h"

#define ROOT_BYTES 32
#define ID_BYTES 16

/* Every field has its place, zero when it is not selected; the selection itself is part of it. */
enum info_offset {
    INFO_SELECT = 0,
    INFO_ROOT = 8,
    INFO_VMPL = 12,
    INFO_SVN = 16,
    INFO_POLICY = 20,
    INFO_TCB = 28,
    INFO_IMAGE = 36,
    INFO_FAMILY = 52,
    INFO_MEASUREMENT = 68,
    INFO_BYTES = 68 + MEASUREMENT_BYTES,
};

static int hkdf(const uint8_t *key, size_t key_size, const void *salt, size_t salt_size, const uint8_t *info,
                size_t info_size, uint8_t ret_key[ROOT_BYTES])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    size_t size = ROOT_BYTES;
    bool ok = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha384()) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_salt(context, salt, (int)salt_size) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_key(context, key, (int)key_size) == 1 &&
              EVP_PKEY_CTX_add1_hkdf_info(context, info, (int)info_size) == 1 &&
              EVP_PKEY_derive(context, ret_key, &size) == 1;

    EVP_PKEY_CTX_free(context);
    return ok ? 0 : -EIO;
}

static void fill_info(const struct launch *launch, const struct key_request *request, uint8_t info[INFO_BYTES])
{
    memset(info, 0, INFO_BYTES);
    put_u64le(info + INFO_SELECT, request->field_select);
    put_u32le(info + INFO_ROOT, request->root_key_select & KEY_ROOT_VMRK);
    put_u32le(info + INFO_VMPL, request->vmpl);
    if (request->field_select & KEY_FIELD_GUEST_SVN)
        put_u32le(info + INFO_SVN, request->guest_svn);
    if (request->field_select & KEY_FIELD_POLICY)
        put_u64le(info + INFO_POLICY, launch->policy);
    if (request->field_select & KEY_FIELD_TCB_VERSION)
        put_u64le(info + INFO_TCB, request->tcb_version);
    if (request->field_select & KEY_FIELD_IMAGE_ID)
        memcpy(info + INFO_IMAGE, launch->image_id, ID_BYTES);
    if (request->field_select & KEY_FIELD_FAMILY_ID)
        memcpy(info + INFO_FAMILY, launch->family_id, ID_BYTES);
    if (request->field_select & KEY_FIELD_MEASUREMENT)
        memcpy(info + INFO_MEASUREMENT, launch->measurement, MEASUREMENT_BYTES);
}

int firmware_derive_key(const struct chip *chip, const struct launch *launch, const struct key_request *request,
                        uint8_t ret_key[DERIVED_KEY_BYTES], struct reason *why)
{
    static const uint8_t chip_wide[REPORT_ID_BYTES] = { 0 };
    static const char root_label[] = "postern-psp root", key_label[] = "postern-psp key";
    bool vmrk = request->root_key_select & KEY_ROOT_VMRK;
    uint8_t info[INFO_BYTES], root[ROOT_BYTES];
    int r = hkdf(chip->secret.bytes, chip->secret.size, root_label, strlen(root_label),
                 vmrk ? launch->report_id : chip_wide, REPORT_ID_BYTES, root);

    fill_info(launch, request, info);
    if (r == 0)
        r = hkdf(root, sizeof(root), key_label, strlen(key_label), info, sizeof(info), ret_key);
    OPENSSL_cleanse(root, sizeof(root));
    return r < 0 ? reason_set(why, r, "the key cannot be derived") : 0;
}
