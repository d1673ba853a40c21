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

#define ROOT_FILE_MAX_BYTES (64u * 1024)
#define MAX_CERTIFICATES 12

struct trust_roots {
    bool software;
    X509 *certificates[MAX_CERTIFICATES];
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

/* OpenSSL would ask on the terminal for the pass phrase of an encrypted block. */
static int no_pass_phrase(char *phrase, int size, int writing, void *argument)
{
    (void)phrase;
    (void)size;
    (void)writing;
    (void)argument;
    return -1;
}

/* All certificates of a PEM text; at least one. The text must end for lack of a further block, not in a damaged one. */
static int add_pem(struct trust_roots *roots, const char *pem, size_t size)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    size_t before = roots->count;
    X509 *certificate;
    unsigned long last;

    if (!bio)
        return -ENOMEM;
    while (roots->count < MAX_CERTIFICATES && (certificate = PEM_read_bio_X509(bio, NULL, no_pass_phrase, NULL)))
        roots->certificates[roots->count++] = certificate;
    last = ERR_peek_last_error();
    ERR_clear_error();
    BIO_free(bio);
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE || roots->count == before)
        return -EBADMSG;
    return 0;
}

int trust_roots_amd(struct trust_roots **ret_roots)
{
    CLEANUP(trust_roots_free) struct trust_roots *roots = calloc(1, sizeof(*roots));
    int r;

    if (!roots)
        return -ENOMEM;
    r = add_pem(roots, roots_milan_pem, (size_t)(roots_milan_pem_end - roots_milan_pem));
    if (r == 0)
        r = add_pem(roots, roots_genoa_pem, (size_t)(roots_genoa_pem_end - roots_genoa_pem));
    if (r == 0)
        r = add_pem(roots, roots_turin_pem, (size_t)(roots_turin_pem_end - roots_turin_pem));
    if (r < 0)
        return r;
    *ret_roots = roots;
    roots = NULL;
    return 0;
}

int trust_roots_file(const char *path, struct trust_roots **ret_roots, struct reason *why)
{
    CLEANUP(trust_roots_free) struct trust_roots *roots = calloc(1, sizeof(*roots));
    CLEANUP_FREE uint8_t *pem = NULL;
    size_t size = 0;
    int r;

    if (!roots)
        return -ENOMEM;
    roots->software = true;
    r = file_read(path, ROOT_FILE_MAX_BYTES, &pem, &size, why);
    if (r < 0)
        return r;
    r = add_pem(roots, (const char *)pem, size);
    if (r < 0 || roots->count != 1 || X509_self_signed(roots->certificates[0], 1) != 1)
        return reason_set(why, r < 0 ? r : -EBADMSG, "%s: expected one self-signed certificate in PEM", path);
    *ret_roots = roots;
    roots = NULL;
    return 0;
}

bool trust_roots_software(const struct trust_roots *roots)
{
    return roots->software;
}

static X509 *find(const struct trust_roots *roots, const char *common_name)
{
    for (size_t i = 0; i < roots->count; i++) {
        char name[64];

        certificate_common_name(roots->certificates[i], name);
        if (strcmp(name, common_name) == 0)
            return roots->certificates[i];
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
        X509_free((*roots)->certificates[i]);
    free(*roots);
    *roots = NULL;
}
