/*
 * What verifying a recorded report with its chain costs beside the OpenSSL operations that nobody can leave out.
 *
 * usage: verify-report bare|verify REPORT VEK.der ASK.der ARK.der [ROUNDS]
 *
 * `bare`: the report's three certificates decoded, two RSASSA-PSS signatures over certificates and one ECDSA signature
 * over the report verified. `verify`: roots and verify_report(). Each round starts afresh.
 */
#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/verify.h"
#include "base/crypto.h"
#include "base/file.h"

#define WITHIN ((time_t)1750000000)

struct input {
    uint8_t *data;
    size_t size;
};

static X509 *decode(const struct input *input)
{
    const unsigned char *at = input->data;

    return d2i_X509(NULL, &at, (long)input->size);
}

static bool bare(const struct input *report, const struct input *certificates)
{
    X509 *vek = decode(&certificates[0]), *ask = decode(&certificates[1]), *ark = decode(&certificates[2]);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *der = NULL;
    int size;
    bool ok;

    (void)ECDSA_SIG_set0(signature, BN_lebin2bn(report->data + 0x2a0, 48, NULL),
                         BN_lebin2bn(report->data + 0x2e8, 48, NULL));
    size = i2d_ECDSA_SIG(signature, &der);
    ok = X509_verify(ask, X509_get0_pubkey(ark)) == 1 && X509_verify(vek, X509_get0_pubkey(ask)) == 1 &&
         EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, X509_get0_pubkey(vek)) == 1 &&
         EVP_DigestVerify(context, der, (size_t)size, report->data, REPORT_SIGNED_BYTES) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(context);
    ECDSA_SIG_free(signature);
    X509_free(vek);
    X509_free(ask);
    X509_free(ark);
    return ok;
}

static bool verify(const struct input *report, const struct input *certificates)
{
    const struct cert_table table = { .entries = { { CERTIFICATE_VCEK, certificates[0].data, certificates[0].size } },
                                      .count = 1 };
    struct trust_roots *roots = NULL;
    struct verified verified;
    struct reason why = { "" };
    int r = trust_roots_amd(&roots);

    if (r == 0)
        r = verify_report(report->data, report->size, &table, roots, WITHIN + 31536000, &verified, &why);
    trust_roots_free(&roots);
    if (r < 0)
        fprintf(stderr, "%s\n", reason_text(&why, r));
    return r == 0;
}

int main(int argc, char **argv)
{
    struct input inputs[4];
    struct reason why = { "" };
    long rounds = argc > 6 ? strtol(argv[6], NULL, 10) : 1;
    bool ok = argc > 5 && crypto_library_init() == 0;

    for (int i = 0; ok && i < 4; i++)
        if (file_read(argv[2 + i], 1 << 16, &inputs[i].data, &inputs[i].size, &why) < 0)
            ok = false;
    for (long round = 0; ok && round < rounds; round++)
        ok = strcmp(argv[1], "bare") == 0 ? bare(&inputs[0], inputs + 1) : verify(&inputs[0], inputs + 1);
    if (!ok)
        fprintf(stderr, "verify-report: it did not verify. %s\n", why.text);
    return ok ? 0 : 1;
}
