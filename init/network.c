/*
 * Stage network: one interface with a static address, by rtnetlink (rtnetlink(7)). Addresses are measured; link and
 * traffic are the host's, and everything that goes over them is authenticated end to end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/init.h"

#define WAIT_MS 10000u
#define POLL_MS 10u
#define REQUEST_MAX_BYTES 256
#define LOOPBACK_INDEX 1 /* the kernel makes lo first */

/* A request that grows attribute by attribute. */
struct request {
    uint8_t bytes[REQUEST_MAX_BYTES];
    size_t size;
};

static void *append(struct request *request, const void *data, size_t size)
{
    uint8_t *at = request->bytes + request->size;

    memcpy(at, data, size);
    request->size += NLMSG_ALIGN(size);
    return at;
}

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *body, size_t size)
{
    const struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags };

    memset(request, 0, sizeof(*request));
    (void)append(request, &head, sizeof(head));
    (void)append(request, body, size);
}

static void add_attribute(struct request *request, uint16_t type, const void *data, size_t size)
{
    const struct rtattr head = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };

    (void)append(request, &head, sizeof(head));
    (void)append(request, data, size);
}

/* Sends and waits for the kernel's acknowledgement; its error, or 0. "There already" is fine. */
static int transact(int fd, struct request *request)
{
    struct nlmsghdr head;
    struct nlmsgerr error;
    uint8_t answer[1024];
    ssize_t n;

    memcpy(&head, request->bytes, sizeof(head));
    head.nlmsg_len = (uint32_t)request->size;
    memcpy(request->bytes, &head, sizeof(head));
    if (send(fd, request->bytes, request->size, 0) != (ssize_t)request->size)
        return -EIO;
    n = recv(fd, answer, sizeof(answer), 0);
    if (n < 0)
        return -errno;
    if ((size_t)n < NLMSG_HDRLEN + sizeof(error))
        return -EPROTO;
    memcpy(&head, answer, sizeof(head));
    memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
    if (head.nlmsg_type != NLMSG_ERROR || error.error > 0)
        return -EPROTO;
    return error.error == -EEXIST ? 0 : error.error;
}

static int set_up(int fd, int index)
{
    const struct ifinfomsg body = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
    struct request request;

    begin(&request, RTM_NEWLINK, 0, &body, sizeof(body));
    return transact(fd, &request);
}

static size_t address_bytes(int family)
{
    return family == AF_INET6 ? 16 : 4;
}

static int add_address(int fd, int index, const struct config_network *network)
{
    const struct ifaddrmsg body = { .ifa_family = (uint8_t)network->family,
                                    .ifa_prefixlen = network->prefix_bits,
                                    .ifa_flags = network->family == AF_INET6 ? IFA_F_NODAD : 0,
                                    .ifa_index = (uint32_t)index };
    size_t size = address_bytes(network->family);
    struct request request;

    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
    add_attribute(&request, IFA_LOCAL, network->address, size);
    add_attribute(&request, IFA_ADDRESS, network->address, size);
    return transact(fd, &request);
}

static int add_default_route(int fd, int index, const struct config_network *network)
{
    const struct rtmsg body = { .rtm_family = (uint8_t)network->family,
                                .rtm_table = RT_TABLE_MAIN,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = RT_SCOPE_UNIVERSE,
                                .rtm_type = RTN_UNICAST };
    const uint32_t out = (uint32_t)index;
    struct request request;

    begin(&request, RTM_NEWROUTE, NLM_F_CREATE, &body, sizeof(body));
    add_attribute(&request, RTA_GATEWAY, network->gateway, address_bytes(network->family));
    add_attribute(&request, RTA_OIF, &out, sizeof(out));
    return transact(fd, &request);
}

/* The interface's index, once its driver has made it. */
static int wait_for_interface(const char *name, struct reason *why)
{
    uint64_t deadline_ms = clock_ms() + WAIT_MS;
    unsigned index;

    while (!(index = if_nametoindex(name)) && clock_left_ms(deadline_ms))
        clock_sleep_ms(POLL_MS);
    return index ? (int)index : reason_set(why, -ENODEV, "no interface %s", name);
}

static int configure(int fd, const struct config_network *network, struct reason *why)
{
    int index = wait_for_interface(network->interface, why), r;

    if (index < 0)
        return index;
    r = set_up(fd, index);
    if (r == 0)
        r = add_address(fd, index, network);
    if (r == 0 && network->has_gateway)
        r = add_default_route(fd, index, network);
    return r < 0 ? reason_set(why, r, "%s: the kernel refused the address or route: %s", network->interface,
                              strerror(-r))
                 : 0;
}

int stage_network(struct boot *boot)
{
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r = fd < 0 ? -errno : set_up(fd, LOOPBACK_INDEX);

    if (r == 0 && boot->config.network.enabled)
        r = configure(fd, &boot->config.network, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_NETWORK, r) : 0;
}
