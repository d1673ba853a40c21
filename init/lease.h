/*
 * A DHCPv4 lease as udhcpc hands it to its handler: words "name=value" of the environment, with what the server said
 * in them. Whoever answers on the network controls all of it; a lease can deny service and nothing else.
 */
#pragma once

#include "base/buffer.h"
#include "base/reason.h"
#include "init/rtnetlink.h"

#define LEASE_MAX_RESOLVERS 3 /* as many as resolv.conf(5) takes */
#define LEASE_LEAST_MTU 576   /* what every IPv4 host takes, RFC 791 */
#define LEASE_MOST_MTU 9216

struct lease {
    struct net_address address;
    bool has_router;
    bool router_on_link; /* the address has a prefix of 32 bits, so that no router can lie inside */
    struct net_address router;
    size_t resolver_count;
    uint8_t resolvers[LEASE_MAX_RESOLVERS][4];
    uint32_t mtu; /* 0: none given */
};

/*
 * Reads `ip`, `subnet`, `router`, `dns` and `mtu` (RFC 2132 options 50/yiaddr, 1, 3, 6, 26), before which comes
 * DHCP_MEASURED_MTU; everything else is passed over. `words` ends with NULL. Refused: a word twice, an address that no
 * host can have, a mask that is no prefix of 8 to 32 bits, a router outside the prefix, an MTU out of bounds. Errors:
 * -EBADMSG with the sentence in `why`.
 */
int lease_parse(char *const words[], struct lease *ret_lease, struct reason *why) MUST_CHECK;

/* The name servers as resolv.conf(5). */
void lease_write_resolvers(const struct lease *lease, struct buffer *to);
