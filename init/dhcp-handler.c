/*
 * udhcpc's handler: one event, one lease, then it ends. The lease is hostile; the interface's name is PID 1's. Runs
 * with the capability to set addresses and as a user who can write only into his own folder.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "init/dhcp-files.h"
#include "init/dhcp.h"
#include "init/lease.h"

/* The interface's first IPv4 address, by netdevice(7): setting it to 0.0.0.0 takes it and its routes away. */
static int transfer_address(const char *interface, unsigned long request, uint8_t bytes[4])
{
    CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct ifreq query = { .ifr_ifindex = 0 };

    if (fd < 0)
        return -errno;
    memcpy(query.ifr_name, interface, strlen(interface) + 1);
    memcpy(&address.sin_addr, bytes, 4);
    memcpy(&query.ifr_addr, &address, sizeof(address));
    if (ioctl(fd, request, &query) < 0)
        return -errno;
    memcpy(&address, &query.ifr_addr, sizeof(address));
    memcpy(bytes, &address.sin_addr, 4);
    return 0;
}

static int take_down(const char *interface)
{
    uint8_t none[4] = { 0 };
    int r = transfer_address(interface, SIOCSIFADDR, none);

    (void)unlink(DHCP_LEASE);
    return r == -EADDRNOTAVAIL ? 0 : r; /* there was none */
}

/* An address that the lease no longer has goes first, and with it its routes. */
static int apply(const char *interface, const struct lease *lease)
{
    CLEANUP_FD int fd = -1;
    int index = (int)if_nametoindex(interface), r = index ? rtnetlink_open(&fd) : -ENODEV;
    uint8_t now[4] = { 0 };

    if (r == 0 && transfer_address(interface, SIOCGIFADDR, now) == 0 && memcmp(now, lease->address.bytes, 4) != 0)
        r = take_down(interface);
    if (r == 0)
        r = rtnetlink_set_up(fd, index, lease->mtu);
    if (r == 0)
        r = rtnetlink_add_address(fd, index, &lease->address);
    if (r == 0 && lease->has_router)
        r = rtnetlink_add_default_route(fd, index, &lease->router, lease->router_on_link);
    return r;
}

static int write_files(const struct lease *lease)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char address[INET_ADDRSTRLEN] = "";
    int r;

    lease_write_resolvers(lease, &text);
    r = buffer_error(&text);
    if (r == 0 && lease->resolver_count) /* a renewal without any takes none away */
        r = file_write(DHCP_RESOLVERS, 0444, text.data, text.size, NULL);
    if (r < 0)
        return r;
    buffer_free(&text);
    (void)inet_ntop(AF_INET, lease->address.bytes, address, sizeof(address));
    buffer_printf(&text, "%s/%u\n", address, lease->address.prefix_bits);
    r = buffer_error(&text);
    return r < 0 ? r : file_write(DHCP_LEASE, 0444, text.data, text.size, NULL);
}

static int set_up(const char *interface, char *const words[], struct reason *why)
{
    struct lease lease;
    int r = lease_parse(words, &lease, why);

    if (r < 0)
        return r;
    r = apply(interface, &lease);
    if (r == 0)
        r = write_files(&lease);
    return r < 0 ? reason_set(why, r, "the lease cannot be put into effect: %s", strerror(-r)) : 0;
}

int dhcp_handle(const char *event, char *const words[])
{
    const char *interface = NULL;
    struct reason why = { "" };
    int r = 0;

    for (size_t i = 0; words[i] && !interface; i++)
        if (strncmp(words[i], "interface=", 10) == 0)
            interface = words[i] + 10;
    if (!interface || strlen(interface) >= IFNAMSIZ)
        return 1;
    if (strcmp(event, "bound") == 0 || strcmp(event, "renew") == 0)
        r = set_up(interface, words, &why);
    else if (strcmp(event, "deconfig") == 0)
        r = take_down(interface);
    if (r == 0)
        return 0;
    return file_write(DHCP_REFUSED, 0444, why.text, strlen(why.text), NULL) < 0 ? 2 : 1;
}
