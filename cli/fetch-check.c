/* Certificates from the network, against the pinned roots. */
#include "cli/fetch-check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "attest/verify.h"
#include "base/key.h"
#include "cli/certificate-files.h"

void fetched_free(struct fetched *fetched)
{
    X509_free(fetched->intermediate);
    X509_free(fetched->ark);
    X509_free(fetched->vcek);
    X509_CRL_free(fetched->crl);
    *fetched = (struct fetched){ NULL, NULL, NULL, NULL };
}

static bool is_current(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static int check_chain(const struct kds_request *request, X509 *intermediate, X509 *ark, X509 *pinned,
                       struct reason *why)
{
    char wanted[32], found[64] = "";

    (void)snprintf(wanted, sizeof(wanted), "SEV-%s%s", request->vlek ? "VLEK-" : "", product_name(request->product));
    if (!intermediate || !ark)
        return reason_set(why, -EKEYREJECTED, "the chain is not two certificates in PEM");
    certificate_common_name(intermediate, found);
    if (X509_cmp(ark, pinned) != 0)
        return reason_set(why, -EKEYREJECTED, "the chain's root is not the pinned ARK-%s",
                          product_name(request->product));
    if (strcmp(found, wanted) != 0)
        return reason_set(why, -EKEYREJECTED, "the chain's first certificate is \"%s\", expected \"%s\"", found,
                          wanted);
    if (X509_check_issued(pinned, intermediate) != X509_V_OK ||
        X509_verify(intermediate, X509_get0_pubkey(pinned)) != 1)
        return reason_set(why, -EKEYREJECTED, "\"%s\" is not signed by the pinned root", found);
    if (!is_current(intermediate))
        return reason_set(why, -EKEYREJECTED, "\"%s\" is not valid at this time", found);
    return 0;
}

static int take_chain(const struct kds_request *request, const struct buffer *body, X509 *pinned,
                      struct fetched *fetched, struct reason *why)
{
    BIO *bio = BIO_new_mem_buf(body->data, (int)body->size);
    X509 *intermediate = bio ? PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL) : NULL;
    X509 *ark = bio ? PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL) : NULL;
    X509 *more = bio ? PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL) : NULL;
    int r;

    BIO_free(bio);
    if (more) {
        X509_free(ark);
        ark = NULL;
    }
    X509_free(more);
    r = check_chain(request, intermediate, ark, pinned, why);
    ERR_clear_error();
    if (r < 0) {
        X509_free(intermediate);
        X509_free(ark);
        return r;
    }
    fetched->intermediate = intermediate;
    fetched->ark = ark;
    return 0;
}

static int take_crl(const struct buffer *body, X509 *pinned, struct fetched *fetched, struct reason *why)
{
    X509_CRL *crl = certificate_decode_crl(body->data, body->size);
    const ASN1_TIME *next = crl ? X509_CRL_get0_nextUpdate(crl) : NULL;
    const char *fault = NULL;

    if (!crl)
        return reason_set(why, -EKEYREJECTED, "the answer is no list of revoked certificates");
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(pinned)) != 0 ||
        X509_CRL_verify(crl, X509_get0_pubkey(pinned)) != 1)
        fault = "is not signed by the pinned root";
    else if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) > 0)
        fault = "is from the future";
    else if (!next || X509_cmp_current_time(next) < 0)
        fault = "is outdated";
    ERR_clear_error();
    if (fault) {
        X509_CRL_free(crl);
        return reason_set(why, -EKEYREJECTED, "the list of revoked certificates %s", fault);
    }
    fetched->crl = crl;
    return 0;
}

/* The intermediate is the one that came before, where the roots have none at hand. */
static int check_vcek(const struct kds_request *request, X509 *certificate, const struct trust_roots *roots,
                      const struct fetched *fetched, struct reason *why)
{
    unsigned char *vcek = NULL, *intermediate = NULL;
    int vcek_size = i2d_X509(certificate, &vcek);
    int intermediate_size = fetched->intermediate ? i2d_X509(fetched->intermediate, &intermediate) : 0;
    struct tcb tcb = tcb_decode(request->product, request->report->reported_tcb);
    struct cert_table table = { .count = 0 };
    struct trust_chain chain;
    enum verify_step step;
    int r = -ENOMEM;

    if (vcek_size > 0) {
        table.entries[table.count++] = (struct certificate_entry){ CERTIFICATE_VCEK, vcek, (size_t)vcek_size };
        if (intermediate_size > 0)
            table.entries[table.count++] =
                (struct certificate_entry){ CERTIFICATE_ASK, intermediate, (size_t)intermediate_size };
        r = trust_chain_verify(&table, SIGNING_KEY_VCEK, roots, verify_time_now(), &chain, &step, why);
    }
    if (r == 0) {
        if (chain.vek.product != request->product ||
            memcmp(chain.vek.hwid, request->report->chip_id, CHIP_ID_BYTES) != 0)
            r = reason_set(why, -EKEYREJECTED, "the certificate is another chip's than the report's");
        else if (!tcb_equal(&chain.vek.tcb, &tcb))
            r = reason_set(why, -EKEYREJECTED, "the certificate is for another TCB than the report's");
        trust_chain_free(&chain);
    }
    OPENSSL_free(vcek);
    OPENSSL_free(intermediate);
    return r < 0 && r != -ENOMEM ? -EKEYREJECTED : r;
}

int fetch_check(const struct kds_request *request, const struct buffer *body, const struct trust_roots *roots,
                struct fetched *fetched, struct reason *why)
{
    X509 *pinned = trust_roots_ark(roots, request->product);
    X509 *certificate;
    int r;

    if (!pinned)
        return reason_set(why, -ENOKEY, "no trusted root for %s", product_name(request->product));
    if (request->item == KDS_ITEM_CHAIN)
        return take_chain(request, body, pinned, fetched, why);
    if (request->item == KDS_ITEM_CRL)
        return take_crl(body, pinned, fetched, why);
    certificate = certificate_decode(body->data, body->size);
    if (!certificate)
        return reason_set(why, -EKEYREJECTED, "the answer is no certificate");
    r = check_vcek(request, certificate, roots, fetched, why);
    if (r < 0)
        X509_free(certificate);
    else
        fetched->vcek = certificate;
    return r;
}
