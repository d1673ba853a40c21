/*
 * Trust anchors. The built-in ones are data of the program: the files in roots/, from AMD's key distribution service
 * (https://kdsintf.amd.com/vcek/v1/PRODUCT/cert_chain and …/vlek/v1/…), each with ASK, ARK and ASVK. The ARKs are the
 * same bytes as in Debian's librust-sev-dev (src/certs/snp/builtin).
 */
#include "attest/roots.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/vek.h"
#include "base/file.h"
#include "base/key.h"

#define ROOT_FILE_MAX_BYTES (64u * 1024)
#define MAX_CERTIFICATES 12
#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"

/*
 * A certificate at hand. Those built in are decoded when they are asked for: decoding all nine takes as long as
 * verifying a report.
 */
struct slot {
    char name[32]; /* its subject's common name */
    const char *pem;
    size_t size;
    X509 *certificate; /* NULL: not decoded yet */
};

struct trust_roots {
    bool software;
    struct slot *slots;
    size_t count;
};

/* The assembler takes the files in, so that the tree holds them as anybody can read and compare them. */
#define EMBED(symbol, path)                                                                                            \
    __asm__(".section .rodata\n" #symbol ":\n.incbin \"" path "\"\n" #symbol "_end:\n.byte 0\n.previous\n"); \
    extern const char symbol[] __attribute__((visibility("hidden")));                                                  \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(roots_milan_pem, "attest/roots/milan.pem");
EMBED(roots_genoa_pem, "attest/roots/genoa.pem");
EMBED(roots_turin_pem, "attest/roots/turin.pem");

static struct trust_roots *make(bool software)
{
    CLEANUP(trust_roots_free) struct trust_roots *roots = calloc(1, sizeof(*roots));
    struct trust_roots *made;

    if (!roots)
        return NULL;
    roots->software = software;
    roots->slots = calloc(MAX_CERTIFICATES, sizeof(*roots->slots));
    if (!roots->slots)
        return NULL;
    made = roots;
    roots = NULL;
    return made;
}

/* A file of roots/: ASK, ARK and ASVK of a product. */
static void add_built_in(struct trust_roots *roots, const char *product, const char *pem, const char *end)
{
    static const char *const names[] = { "SEV-", "ARK-", "SEV-VLEK-" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct slot *slot = &roots->slots[roots->count++];
        const char *next = memmem(pem + 1, (size_t)(end - pem) - 1, PEM_BEGIN, strlen(PEM_BEGIN));

        (void)snprintf(slot->name, sizeof(slot->name), "%s%s", names[i], product);
        slot->pem = pem;
        slot->size = (size_t)((next ? next : end) - pem);
        pem += slot->size;
    }
}

/* All certificates of a PEM text; at least one. The text must end for lack of a further block, not in a damaged one. */
static int add_pem(struct trust_roots *roots, const char *pem, size_t size)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    X509 *certificate;
    unsigned long last;

    if (!bio)
        return -ENOMEM;
    while (roots->count < MAX_CERTIFICATES && (certificate = PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL))) {
        struct slot *slot = &roots->slots[roots->count++];
        char name[64];

        slot->certificate = certificate;
        certificate_common_name(certificate, name);
        (void)snprintf(slot->name, sizeof(slot->name), "%.31s", name);
    }
    last = ERR_peek_last_error();
    ERR_clear_error();
    BIO_free(bio);
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE || !roots->count)
        return -EBADMSG;
    return 0;
}

int trust_roots_amd(struct trust_roots **ret_roots)
{
    struct trust_roots *roots = make(false);

    if (!roots)
        return -ENOMEM;
    add_built_in(roots, "Milan", roots_milan_pem, roots_milan_pem_end);
    add_built_in(roots, "Genoa", roots_genoa_pem, roots_genoa_pem_end);
    add_built_in(roots, "Turin", roots_turin_pem, roots_turin_pem_end);
    *ret_roots = roots;
    return 0;
}

int trust_roots_file(const char *path, struct trust_roots **ret_roots, struct reason *why)
{
    CLEANUP(trust_roots_free) struct trust_roots *roots = make(true);
    CLEANUP_FREE uint8_t *pem = NULL;
    size_t size = 0;
    int r;

    if (!roots)
        return -ENOMEM;
    r = file_read(path, ROOT_FILE_MAX_BYTES, &pem, &size, why);
    if (r < 0)
        return r;
    r = add_pem(roots, (const char *)pem, size);
    if (r < 0 || roots->count != 1 || X509_self_signed(roots->slots[0].certificate, 1) != 1)
        return reason_set(why, r < 0 ? r : -EBADMSG, "%s: expected one self-signed certificate in PEM", path);
    *ret_roots = roots;
    roots = NULL;
    return 0;
}

bool trust_roots_software(const struct trust_roots *roots)
{
    return roots->software;
}

static X509 *decode(struct slot *slot)
{
    BIO *bio = BIO_new_mem_buf(slot->pem, (int)slot->size);
    char name[64] = "";

    slot->certificate = bio ? PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (slot->certificate)
        certificate_common_name(slot->certificate, name);
    if (slot->certificate && strcmp(name, slot->name) != 0) {
        X509_free(slot->certificate);
        slot->certificate = NULL;
    }
    return slot->certificate;
}

static X509 *find(const struct trust_roots *roots, const char *common_name)
{
    for (size_t i = 0; i < roots->count; i++) {
        struct slot *slot = &roots->slots[i];

        if (strcmp(slot->name, common_name) == 0)
            return slot->certificate ? slot->certificate : decode(slot);
    }
    return NULL;
}

X509 *trust_roots_ark(const struct trust_roots *roots, enum product product)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "ARK-%s", product_name(product));
    return find(roots, name);
}

X509 *trust_roots_intermediate(const struct trust_roots *roots, const char *common_name)
{
    return roots->software ? NULL : find(roots, common_name);
}

void trust_roots_free(struct trust_roots **roots)
{
    if (!*roots)
        return;
    for (size_t i = 0; i < (*roots)->count; i++)
        X509_free((*roots)->slots[i].certificate);
    free((*roots)->slots);
    free(*roots);
    *roots = NULL;
}
