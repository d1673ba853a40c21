/* What a DHCP server said, in udhcpc's words. Hostile; read with an allow-list, bounded. */
#include "init/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "init/dhcp-files.h"

#define LEAST_PREFIX_BITS 8

/* The value of the one word with that name; NULL when there is none, `*twice` when there are several. */
static const char *find(char *const words[], const char *name, bool *twice)
{
    size_t size = strlen(name);
    const char *found = NULL;

    for (; *words; words++) {
        if (strncmp(*words, name, size) != 0 || (*words)[size] != '=')
            continue;
        *twice = *twice || found;
        found = *words + size + 1;
    }
    return found;
}

/* Copies one address out of a list that single spaces divide, and steps over it. */
static bool next_address(const char **at, uint8_t ret_bytes[4])
{
    char text[INET_ADDRSTRLEN];
    size_t size = strcspn(*at, " ");

    if (!size || size >= sizeof(text))
        return false;
    memcpy(text, *at, size);
    text[size] = '\0';
    *at += size;
    if (**at)
        ++*at;
    return inet_pton(AF_INET, text, ret_bytes) == 1;
}

/* Neither this network, nor loopback, multicast, reserved or broadcast (RFC 6890). */
static bool is_host(const uint8_t bytes[4])
{
    return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224;
}

static bool read_one(const char *text, uint8_t ret_bytes[4])
{
    return next_address(&text, ret_bytes) && !*text;
}

static uint32_t to_number(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The bits of a mask; 0 when it is no prefix. */
static uint8_t prefix_of(const uint8_t bytes[4])
{
    uint32_t mask = to_number(bytes), rest = ~mask;

    return rest & (rest + 1) ? 0 : (uint8_t)__builtin_popcount(mask);
}

static int read_address(char *const words[], struct lease *lease, bool *twice, struct reason *why)
{
    const char *ip = find(words, "ip", twice), *subnet = find(words, "subnet", twice);
    uint8_t mask[4];

    lease->address.family = AF_INET;
    if (!ip || !read_one(ip, lease->address.bytes) || !is_host(lease->address.bytes))
        return reason_set(why, -EBADMSG, "ip: \"%s\" is no address that a host can have", ip ? ip : "");
    if (!subnet || !read_one(subnet, mask) || prefix_of(mask) < LEAST_PREFIX_BITS)
        return reason_set(why, -EBADMSG, "subnet: \"%s\" is no mask of %d to 32 bits", subnet ? subnet : "",
                          LEAST_PREFIX_BITS);
    lease->address.prefix_bits = prefix_of(mask);
    return 0;
}

/* The first router counts; without one there is none. */
static int read_router(char *const words[], struct lease *lease, bool *twice, struct reason *why)
{
    const char *text = find(words, "router", twice), *at = text;
    uint32_t own = to_number(lease->address.bytes), router;
    uint32_t mask = ~0u << (32 - lease->address.prefix_bits);

    if (!text)
        return 0;
    lease->router.family = AF_INET;
    if (!next_address(&at, lease->router.bytes) || !is_host(lease->router.bytes))
        return reason_set(why, -EBADMSG, "router: \"%s\" is no address that a host can have", text);
    router = to_number(lease->router.bytes);
    lease->router_on_link = lease->address.prefix_bits == 32;
    if (router == own || (!lease->router_on_link && (router & mask) != (own & mask)))
        return reason_set(why, -EBADMSG, "router: \"%s\" is not another host of the address's network", text);
    lease->has_router = true;
    return 0;
}

static int read_resolvers(char *const words[], struct lease *lease, bool *twice, struct reason *why)
{
    const char *text = find(words, "dns", twice);

    for (const char *at = text; at && *at && lease->resolver_count < LEASE_MAX_RESOLVERS; lease->resolver_count++) {
        uint8_t *to = lease->resolvers[lease->resolver_count];

        if (!next_address(&at, to) || !is_host(to))
            return reason_set(why, -EBADMSG, "dns: \"%s\" is no list of addresses", text);
    }
    return 0;
}

static int read_mtu(char *const words[], struct lease *lease, bool *twice, struct reason *why)
{
    const char *measured = find(words, DHCP_MEASURED_MTU, twice), *said = find(words, "mtu", twice);
    const char *text = measured ? measured : said;
    uint64_t mtu = 0;

    if (text && (!decimal_decode_text(text, LEASE_MOST_MTU, &mtu) || mtu < LEASE_LEAST_MTU))
        return reason_set(why, -EBADMSG, "mtu: \"%s\" is not from %d to %d", text, LEASE_LEAST_MTU, LEASE_MOST_MTU);
    lease->mtu = (uint32_t)mtu;
    return 0;
}

int lease_parse(char *const words[], struct lease *ret_lease, struct reason *why)
{
    struct lease lease = { .has_router = false };
    bool twice = false;
    int r = read_address(words, &lease, &twice, why);

    if (r == 0)
        r = read_router(words, &lease, &twice, why);
    if (r == 0)
        r = read_resolvers(words, &lease, &twice, why);
    if (r == 0)
        r = read_mtu(words, &lease, &twice, why);
    if (r == 0 && twice)
        r = reason_set(why, -EBADMSG, "a word of the lease is there twice");
    if (r < 0)
        return r;
    *ret_lease = lease;
    return 0;
}

void lease_write_resolvers(const struct lease *lease, struct buffer *to)
{
    for (size_t i = 0; i < lease->resolver_count; i++) {
        const uint8_t *bytes = lease->resolvers[i];

        buffer_printf(to, "nameserver %u.%u.%u.%u\n", bytes[0], bytes[1], bytes[2], bytes[3]);
    }
}
