/*
 * Stage network: lo, and one interface by a static address, DHCPv4 or router advertisements. Static addresses are
 * measured; link, leases, advertisements and traffic are the host's. They can deny service; everything that goes over
 * them is authenticated end to end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/console.h"
#include "init/dhcp.h"
#include "init/helpers.h"
#include "init/init.h"
#include "init/router.h"
#include "init/rtnetlink.h"

#define POLL_MS 10u
#define AGAIN_MS 1000u /* after a lease that was refused */
#define TELL_MS 5000u  /* how often the console says what is waited for */
#define LOOPBACK_INDEX 1 /* the kernel makes lo first */
#define RESOLVERS_PATH "/run/postern/resolv.conf"

struct waiting {
    uint64_t begin_us;
    uint64_t deadline_ms;
    uint64_t tell_at_ms;
};

/* Sleeps a little; false when the time is up. */
static bool wait_on(struct waiting *waiting, const char *interface, const char *what)
{
    char text[64];

    if (!clock_left_ms(waiting->deadline_ms))
        return false;
    if (!clock_left_ms(waiting->tell_at_ms)) {
        (void)snprintf(text, sizeof(text), "%s: no %s yet", interface, what);
        console_waiting("network", waiting->begin_us, text);
        waiting->tell_at_ms = clock_ms() + TELL_MS;
    }
    clock_sleep_ms(POLL_MS);
    return true;
}

static bool has_link(const char *interface)
{
    CLEANUP_FREE uint8_t *text = NULL;
    char path[64];
    size_t size = 0;

    (void)snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", interface);
    return file_read(path, 16, &text, &size, NULL) == 0 && text[0] == '1';
}

/* What a host on the link may not set: only what the configuration's method needs is taken from it. */
static int harden(const struct config_network *network, struct reason *why)
{
    bool asks_routers = network->method == NETWORK_ROUTER_ADVERTISEMENT;
    bool six = asks_routers || (network->method == NETWORK_STATIC && network->address.family == AF_INET6);
    const struct {
        const char *of, *name, *value;
        bool six; /* an interface that has no IPv6 has none to set */
    } knobs[] = {
        { "ipv4", "accept_redirects", "0", false },
        { "ipv4", "secure_redirects", "0", false },
        { "ipv4", "send_redirects", "0", false },
        { "ipv6", "disable_ipv6", six ? "0" : "1", false },
        { "ipv6", "accept_redirects", "0", true },
        { "ipv6", "accept_ra", asks_routers ? "1" : "0", true },
        { "ipv6", "autoconf", asks_routers ? "1" : "0", true },
        { "ipv6", "accept_ra_rtr_pref", "0", true },
        { "ipv6", "accept_ra_rt_info_max_plen", "0", true },
        { "ipv6", "dad_transmits", "0", true },
        { "ipv6", "use_tempaddr", "0", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
        char path[96];
        int r;

        (void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", knobs[i].of, network->interface,
                       knobs[i].name);
        r = knobs[i].six && !six ? 0 : file_poke(path, knobs[i].value);
        if (r < 0 && r != -ENOENT) /* a kernel without IPv6, or without that option */
            return reason_set(why, r, "%s: cannot be set: %s", path, strerror(-r));
    }
    return 0;
}

static void stop_client(pid_t client)
{
    (void)kill(client, SIGKILL);
    (void)waitpid(client, NULL, 0);
}

/* A lease that is refused may not have been the network's own server's: until the time is up, it is asked again. */
static int wait_for_lease(const struct config_network *network, struct waiting *waiting, struct reason *why)
{
    struct reason refused = { "" };

    for (;;) {
        struct reason now = { "" };
        pid_t client = -1;
        int r = dhcp_start(network, &client, why);

        if (r < 0)
            return r;
        while (!dhcp_has_lease(&now) && !now.text[0] && wait_on(waiting, network->interface, "lease"))
            ;
        if (dhcp_has_lease(&now)) {
            helpers_add(client, "udhcpc");
            return 0;
        }
        stop_client(client);
        if (now.text[0])
            refused = now;
        if (!clock_left_ms(waiting->deadline_ms))
            return reason_set(why, -ETIMEDOUT, "%s: no lease%s%s", network->interface,
                              refused.text[0] ? "; refused: " : "", refused.text);
        clock_sleep_ms(AGAIN_MS);
    }
}

static int wait_for_router(const struct config_network *network, struct waiting *waiting, struct reason *why)
{
    while (!router_has_answered(network->interface))
        if (!wait_on(waiting, network->interface, "router advertisement"))
            return reason_set(why, -ETIMEDOUT, "%s: no router advertisement that gives an address and a route",
                              network->interface);
    return 0;
}

static int set_static(int fd, int index, const struct config_network *network, struct reason *why)
{
    int r = rtnetlink_add_address(fd, index, &network->address);

    if (r == 0 && network->has_gateway)
        r = rtnetlink_add_default_route(fd, index, &network->gateway, false);
    return r < 0 ? reason_set(why, r, "%s: the kernel refused the address or route: %s", network->interface,
                              strerror(-r))
                 : 0;
}

/* The configured name servers, else those of the lease. */
static int name_resolvers(const struct config_network *network, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    int r = mkdir("/run/postern", 0755) < 0 && errno != EEXIST ? -errno : 0;

    if (!network->resolver_count && network->method == NETWORK_DHCP && r == 0)
        r = symlink(DHCP_RESOLVERS, RESOLVERS_PATH) < 0 ? -errno : 0;
    for (size_t i = 0; i < network->resolver_count; i++) {
        char address[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(network->resolvers[i].family, network->resolvers[i].bytes, address, sizeof(address));
        buffer_printf(&text, "nameserver %s\n", address);
    }
    if (r == 0 && network->resolver_count)
        r = buffer_error(&text) < 0 ? -ENOMEM : file_write(RESOLVERS_PATH, 0444, text.data, text.size, why);
    return r;
}

/* The interface, once its driver has made it, set up and with a link. */
static int raise_interface(int fd, const struct config_network *network, struct waiting *waiting, int *ret_index,
                           struct reason *why)
{
    int index, r;

    while (!(index = (int)if_nametoindex(network->interface)))
        if (!wait_on(waiting, network->interface, "interface"))
            return reason_set(why, -ENODEV, "no interface %s", network->interface);
    r = harden(network, why);
    if (r < 0)
        return r;
    r = rtnetlink_set_up(fd, index, network->mtu);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be set up: %s", network->interface, strerror(-r));
    while (!has_link(network->interface))
        if (!wait_on(waiting, network->interface, "link"))
            return reason_set(why, -ENETDOWN, "%s: no link", network->interface);
    *ret_index = index;
    return 0;
}

static int configure(int fd, const struct config_network *network, uint64_t deadline_ms, struct reason *why)
{
    struct waiting waiting = { clock_boot_us(), deadline_ms, clock_ms() + TELL_MS };
    int index = 0, r = raise_interface(fd, network, &waiting, &index, why);

    if (r < 0)
        return r;
    switch (network->method) {
    case NETWORK_STATIC:
        r = set_static(fd, index, network, why);
        break;
    case NETWORK_DHCP:
        r = wait_for_lease(network, &waiting, why);
        break;
    case NETWORK_ROUTER_ADVERTISEMENT:
        r = wait_for_router(network, &waiting, why);
        break;
    }
    return r < 0 ? r : name_resolvers(network, why);
}

int stage_network(struct boot *boot)
{
    CLEANUP_FD int fd = -1;
    int r = rtnetlink_open(&fd);

    if (r == 0)
        r = rtnetlink_set_up(fd, LOOPBACK_INDEX, 0);
    if (r == 0 && boot->config.network.enabled)
        r = configure(fd, &boot->config.network, boot_deadline(boot, boot->config.network.wait_ms), &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_NETWORK, r) : 0;
}
