/*
 * A key distribution service for the chip, in the URL shapes of AMD's (57230, chapter 4), plain HTTP on loopback:
 *
 *     /vcek/v1/PRODUCT/cert_chain     ASK and ARK, PEM           /vlek/v1/PRODUCT/cert_chain   ASVK and ARK
 *     /vcek/v1/PRODUCT/crl            the root's list, DER       /vlek/v1/PRODUCT/crl          the same list
 *     /vcek/v1/PRODUCT/HWID?blSPL=N&teeSPL=N&snpSPL=N&ucodeSPL=N   the VCEK, DER; fmcSPL=N as well for Turin
 *
 * Whoever reaches the address controls the requests.
 */
#pragma once

#include "psp/chip.h"

#define KDS_TARGET_MAX_BYTES 400

enum kds_what { KDS_CHAIN, KDS_CRL, KDS_VCEK };

/* What a request's target asks for. */
struct kds_query {
    enum kds_what what;
    bool vlek;
    enum product product;
    uint8_t chip_id[CHIP_ID_BYTES]; /* KDS_VCEK, as the two below; padded with zeros */
    size_t chip_id_size;
    struct tcb tcb;
};

/* Errors: -ENOENT for a path that the service does not have, -EBADMSG for a VCEK's with a wrong id or query. */
int kds_parse_target(const char *target, struct kds_query *ret_query, struct reason *why) MUST_CHECK;

struct kds_options {
    const char *revoked; /* file of the intermediate that the list revokes: "ask.pem", "asvk.pem"; NULL: none */
    unsigned throttle_s; /* after a VCEK, others are answered with 429 for so long */
};

struct kds;

/* Everything that is served, from a chip's directory. Errors: those of chip_load(), -EIO. */
int kds_load(const char *directory, const struct chip_identity *identity, const struct kds_options *options,
             struct kds **ret_kds, struct reason *why) MUST_CHECK;

/* Listens on "127.0.0.1:8080" or "[::1]:8080". Errors: -EINVAL, -errno. */
int kds_listen(const char *address, int *ret_fd, struct reason *why) MUST_CHECK;

/* Answers one connection after another until `stop_fd` can be read. */
void kds_serve(struct kds *kds, int listen_fd, int stop_fd);

void kds_free(struct kds **kds);
