/*
 * The few rtnetlink(7) requests that PID 1 and its DHCP handler make. Each waits for the kernel's acknowledgement; what
 * is there already counts as done.
 */
#pragma once

#include "base/base.h"

/* An address with its prefix length, of family AF_INET or AF_INET6, in network order. */
struct net_address {
    int family;
    uint8_t bytes[16];
    uint8_t prefix_bits;
};

/* A socket for the calls below. Errors: -errno. */
int rtnetlink_open(int *ret_fd) MUST_CHECK;

/* Sets the interface up; `mtu` in bytes, 0 leaves it. Errors: -errno as the kernel gave it, -EPROTO, -EIO. */
int rtnetlink_set_up(int fd, int index, uint32_t mtu) MUST_CHECK;

/* Adds an address, without duplicate detection: the host could answer for any. Errors as above. */
int rtnetlink_add_address(int fd, int index, const struct net_address *address) MUST_CHECK;

/*
 * Makes `gateway` (its prefix length does not count) the default route. `on_link`: it is reached directly though no
 * address says so. Errors as above.
 */
int rtnetlink_add_default_route(int fd, int index, const struct net_address *gateway, bool on_link) MUST_CHECK;
