/*
 * attest/vek-parse.c, behind OpenSSL's certificate decoder. A certificate that is accepted has each extension that was
 * read exactly once, and says the same when OpenSSL writes it anew.
 */
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "attest/vek.h"
#include "fuzz.h"

static unsigned count_extension(const X509 *certificate, const char *number)
{
    char wanted[64], oid[128];
    unsigned count = 0;

    (void)snprintf(wanted, sizeof(wanted), "1.3.6.1.4.1.3704.1.%s", number);
    for (int i = 0; i < X509_get_ext_count(certificate); i++) {
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(X509_get_ext(certificate, i));

        count += OBJ_obj2txt(oid, sizeof(oid), object, 1) > 0 && strcmp(oid, wanted) == 0;
    }
    return count;
}

static void check(X509 *certificate, const struct vek *vek)
{
    static const char *const numbers[] = { "1", "2", "3.1", "3.2", "3.3", "3.8" };
    unsigned char *der = NULL;
    int size = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    struct vek same;
    X509 *anew;

    REQUIRE(vek->kind == SIGNING_KEY_VCEK || vek->kind == SIGNING_KEY_VLEK);
    REQUIRE(vek->product >= PRODUCT_MILAN && vek->product <= PRODUCT_TURIN);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        REQUIRE(count_extension(certificate, numbers[i]) == 1);
    REQUIRE(vek->product != PRODUCT_TURIN || count_extension(certificate, "3.9") == 1);
    REQUIRE(vek->kind != SIGNING_KEY_VCEK || count_extension(certificate, "4") == 1);
    REQUIRE(vek->kind != SIGNING_KEY_VLEK || count_extension(certificate, "5") == 1);
    REQUIRE(strnlen(vek->csp_id, VEK_CSP_ID_BYTES) < VEK_CSP_ID_BYTES);
    REQUIRE(size > 0);
    anew = d2i_X509(NULL, &at, size);
    REQUIRE(anew && vek_parse(anew, &same, NULL) == 0);
    REQUIRE(same.kind == vek->kind && same.product == vek->product && tcb_equal(&same.tcb, &vek->tcb));
    REQUIRE(memcmp(same.hwid, vek->hwid, sizeof(same.hwid)) == 0 && strcmp(same.csp_id, vek->csp_id) == 0);
    X509_free(anew);
    OPENSSL_free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0);
    const unsigned char *at = copy;
    X509 *certificate = d2i_X509(NULL, &at, (long)size);
    struct reason why = { "" };
    struct vek vek;
    char name[64];

    if (certificate) {
        certificate_common_name(certificate, name);
        REQUIRE(strnlen(name, sizeof(name)) < sizeof(name));
        if (vek_parse(certificate, &vek, &why) == 0)
            check(certificate, &vek);
        else
            REQUIRE(why.text[0]);
    }
    X509_free(certificate);
    ERR_clear_error();
    free(copy);
    return 0;
}
