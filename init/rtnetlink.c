/* rtnetlink(7) requests, grown attribute by attribute. The answers are the kernel's own. */
#include "init/rtnetlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

#define REQUEST_MAX_BYTES 256

struct request {
    union {
        uint8_t bytes[REQUEST_MAX_BYTES];
        struct nlmsghdr head;
    };
    size_t size;
};

static void append(struct request *request, const void *data, size_t size)
{
    memcpy(request->bytes + request->size, data, size);
    request->size += NLMSG_ALIGN(size);
}

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *body, size_t size)
{
    const struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags };

    memset(request, 0, sizeof(*request));
    append(request, &head, sizeof(head));
    append(request, body, size);
}

static void add_attribute(struct request *request, uint16_t type, const void *data, size_t size)
{
    const struct rtattr head = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };

    append(request, &head, sizeof(head));
    append(request, data, size);
}

static int transact(int fd, struct request *request)
{
    static uint32_t sequence;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t request[REQUEST_MAX_BYTES]; /* of an error, once more */
    } answer;
    ssize_t n;

    request->head.nlmsg_len = (uint32_t)request->size;
    request->head.nlmsg_seq = ++sequence;
    if (send(fd, request->bytes, request->size, 0) != (ssize_t)request->size)
        return -EIO;
    n = recv(fd, &answer, sizeof(answer), 0);
    if (n < 0)
        return -errno;
    if ((size_t)n < sizeof(answer.head) + sizeof(answer.error) || answer.head.nlmsg_type != NLMSG_ERROR ||
        answer.head.nlmsg_seq != sequence || answer.error.error > 0)
        return -EPROTO;
    return answer.error.error == -EEXIST ? 0 : answer.error.error;
}

static size_t address_bytes(const struct net_address *address)
{
    return address->family == AF_INET6 ? 16 : 4;
}

int rtnetlink_open(int *ret_fd)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int rtnetlink_set_up(int fd, int index, uint32_t mtu)
{
    const struct ifinfomsg body = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
    struct request request;

    begin(&request, RTM_NEWLINK, 0, &body, sizeof(body));
    if (mtu)
        add_attribute(&request, IFLA_MTU, &mtu, sizeof(mtu));
    return transact(fd, &request);
}

int rtnetlink_add_address(int fd, int index, const struct net_address *address)
{
    const struct ifaddrmsg body = { .ifa_family = (uint8_t)address->family,
                                    .ifa_prefixlen = address->prefix_bits,
                                    .ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
                                    .ifa_index = (uint32_t)index };
    size_t size = address_bytes(address);
    struct request request;

    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
    add_attribute(&request, IFA_LOCAL, address->bytes, size);
    add_attribute(&request, IFA_ADDRESS, address->bytes, size);
    return transact(fd, &request);
}

int rtnetlink_add_default_route(int fd, int index, const struct net_address *gateway, bool on_link)
{
    const struct rtmsg body = { .rtm_family = (uint8_t)gateway->family,
                                .rtm_table = RT_TABLE_MAIN,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = RT_SCOPE_UNIVERSE,
                                .rtm_type = RTN_UNICAST,
                                .rtm_flags = on_link ? RTNH_F_ONLINK : 0 };
    const uint32_t out = (uint32_t)index;
    struct request request;

    begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
    add_attribute(&request, RTA_GATEWAY, gateway->bytes, address_bytes(gateway));
    add_attribute(&request, RTA_OIF, &out, sizeof(out));
    return transact(fd, &request);
}
