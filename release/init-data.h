/*
 * Init-data: what the host gives a launch, bound by HOST_DATA (Confidential Containers' init-data, version 0.1.0).
 *
 * The host chooses both, so this carries names and signed identities and decides nothing: brokers, pins, signers,
 * volumes and the root hash are measured. The names are on a list; any other refuses the whole text. The digest is over
 * the exact text, truncated or padded with zeros to the 32 bytes of HOST_DATA.
 *
 *     version = "0.1.0"
 *     algorithm = "sha256"
 *     [data]
 *     "postern.name" = "shop-7"                                     the guest's host name
 *     "postern.broker-identity.a" = '''{"payload":…}'''             see identity.h; in their order
 *     "trustee.kbs.resource" = "kbs+provisioner:///default/…/root"  for volumes whose resource is named here
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "release/identity.h"
#include "release/resource.h"

#define INIT_DATA_VERSION "0.1.0"
#define INIT_DATA_MAX_BYTES (64u * 1024)
#define INIT_DATA_MAX_NAME_BYTES 63
#define INIT_DATA_MAX_IDENTITIES 8
#define INIT_DATA_HOST_DATA_BYTES 32

struct init_data {
    char algorithm[8];                       /* "sha256", "sha384", "sha512" */
    char name[INIT_DATA_MAX_NAME_BYTES + 1]; /* [a-z0-9-]; empty: not said */
    bool has_resource;
    struct resource resource;
    char *identities[INIT_DATA_MAX_IDENTITIES]; /* envelopes, not verified */
    size_t identity_count;
};

/* The caller frees with init_data_free(). Errors: -EBADMSG, -EMSGSIZE, -ENOMEM; with a sentence. */
int init_data_parse(const void *text, size_t size, struct init_data *ret_init_data, struct reason *why) MUST_CHECK;

/*
 * What HOST_DATA has to be for this text under one of the three algorithms. Errors: -EINVAL for another algorithm,
 * -ENOMEM.
 */
int init_data_digest(const char *algorithm, const void *text, size_t size,
                     uint8_t ret_digest[INIT_DATA_HOST_DATA_BYTES]) MUST_CHECK;

/* Whether HOST_DATA is the text's digest under that algorithm. Errors: as init_data_match(). */
int init_data_compare(const char *algorithm, const void *text, size_t size,
                      const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES], struct reason *why) MUST_CHECK;

/*
 * Whether HOST_DATA is that of the text, whatever names are in it: for those who only pass it on. Errors: -EBADMSG
 * without a known algorithm, -EKEYREJECTED, -ENOMEM.
 */
int init_data_match(const void *text, size_t size, const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES],
                    struct reason *why) MUST_CHECK;

/* Reads the text and compares. Errors: those of init_data_parse(), -EKEYREJECTED when HOST_DATA is another. */
int init_data_verify(const void *text, size_t size, const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES],
                     struct init_data *ret_init_data, struct reason *why) MUST_CHECK;

/* Fine with one that was never filled. */
void init_data_free(struct init_data *init_data);

#define CLEANUP_INIT_DATA CLEANUP(init_data_free)
