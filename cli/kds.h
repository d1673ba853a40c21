/*
 * AMD's key distribution service (57230, chapter 4): its URLs, and fetching from it. Answers are anybody's until they
 * have been verified against a pinned root; whoever sits in between can keep them back, and no more.
 */
#pragma once

#include "attest/product.h"
#include "attest/report.h"
#include "base/buffer.h"
#include "base/reason.h"

#define KDS_DEFAULT_BASE "https://kdsintf.amd.com"
#define KDS_MAX_BYTES (256u * 1024)

enum kds_item { KDS_ITEM_CHAIN, KDS_ITEM_CRL, KDS_ITEM_VCEK };

/* What is wanted; `report` for KDS_ITEM_VCEK alone. */
struct kds_request {
    enum kds_item item;
    bool vlek;
    enum product product;
    const struct report *report;
};

/* "Milan" … "Turin", and "Bergamo" and "Siena" with Genoa's keys, in any case; PRODUCT_UNKNOWN for others. */
enum product kds_product_from_name(const char *name);

/*
 * BASE/vcek/v1/Milan/cert_chain and so on. Errors: -EINVAL for a base that is no http or https URL, for a report
 * that no VCEK signs or whose chip id is masked; the buffer's.
 */
int kds_write_url(const char *base, const struct kds_request *request, struct buffer *to,
                  struct reason *why) MUST_CHECK;

/*
 * The place in a cache: for a VCEK "vcek/HWID/bl02_tee00_snp06_ucode21_vcek.der" as Trustee's offline store has it (on
 * Turin with "_fmc01" before "_vcek"), "vcek/Milan/cert_chain.pem" and "vcek/Milan/crl.der" for the others.
 */
void kds_write_cache_path(const struct kds_request *request, struct buffer *to);

/*
 * Fetches with curl(1), the user's proxy and certificate store. Waits when the service says so (429, Retry-After), and
 * not past `deadline_ms`. Errors: -ENOENT the service has no such thing, -EBUSY it asks to wait longer, -ETIMEDOUT,
 * -EMSGSIZE, -EBADMSG, -EIO, or what kept curl from being run; all named in `why`.
 */
int kds_get(const char *url, uint64_t deadline_ms, struct buffer *ret_body, struct reason *why) MUST_CHECK;
