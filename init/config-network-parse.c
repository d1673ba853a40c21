/* The member `network` of postern.json: measured, read as strictly as the rest. */
#include <arpa/inet.h>
#include <string.h>

#include "base/encode.h"
#include "init/config-read.h"

#define WAIT_DEFAULT_S 30u
#define LEAST_MTU 1280 /* of IPv6, RFC 8200 */
#define MOST_MTU 9216

/* "10.0.2.2" or "fd00::2" */
static bool parse_address(const char *text, struct net_address *to)
{
    to->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(to->family, text, to->bytes) == 1;
}

/* "10.0.2.15/24" or "fd00::15/64" into address and prefix length. */
static bool parse_prefix(const char *text, struct net_address *to)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : sizeof(address);
    uint64_t bits;

    if (size >= sizeof(address))
        return false;
    memcpy(address, text, size);
    address[size] = '\0';
    if (!parse_address(address, to) ||
        !decimal_decode_text(slash + 1, to->family == AF_INET6 ? 128 : 32, &bits) || !bits)
        return false;
    to->prefix_bits = (uint8_t)bits;
    return true;
}

static void read_method(struct json_reader *reader, struct config_network *to)
{
    static const struct {
        const char *name;
        enum network_method method;
    } methods[] = { { "static", NETWORK_STATIC },
                    { "dhcp", NETWORK_DHCP },
                    { "router-advertisement", NETWORK_ROUTER_ADVERTISEMENT } };
    const char *text = methods[0].name;

    (void)json_read_string(reader, "method", JSON_OPTIONAL, 32, &text);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (strcmp(methods[i].name, text) == 0) {
            to->method = methods[i].method;
            return;
        }
    }
    json_refuse(reader, "method", "expected static, dhcp or router-advertisement, found \"%s\"", text);
}

/* Members of method `static`; with the others json_read_done() refuses them. */
static void read_static(struct json_reader *reader, struct config_network *to)
{
    const char *text = NULL;

    if (json_read_string(reader, "address", JSON_REQUIRED, 64, &text) && !parse_prefix(text, &to->address))
        json_refuse(reader, "address", "\"%s\" is not of the form ADDRESS/PREFIX-LENGTH", text);
    if (json_read_string(reader, "gateway", JSON_OPTIONAL, 64, &text)) {
        to->has_gateway = parse_address(text, &to->gateway) && to->gateway.family == to->address.family;
        if (!to->has_gateway)
            json_refuse(reader, "gateway", "\"%s\" is not an address of the same family", text);
    }
}

static void read_resolvers(struct json_reader *reader, struct config_network *to)
{
    struct json_reader array;

    if (!json_read_array(reader, "resolvers", JSON_OPTIONAL, CONFIG_MAX_RESOLVERS, &array, &to->resolver_count))
        return;
    for (size_t i = 0; i < to->resolver_count; i++) {
        const char *text = NULL;

        if (json_element_string(&array, i, 64, &text) && !parse_address(text, &to->resolvers[i]))
            json_refuse(&array, NULL, "element %zu: \"%s\" is not an address", i, text);
    }
}

void config_read_network(struct json_reader *parent, uint64_t most_s, struct config_network *to)
{
    uint64_t mtu = 0, wait_s = WAIT_DEFAULT_S < most_s ? WAIT_DEFAULT_S : most_s;
    struct json_reader reader;

    if (!json_read_object(parent, "network", JSON_OPTIONAL, &reader))
        return;
    to->enabled = true;
    config_read_word(&reader, "interface", NAME_CHARACTERS, to->interface, sizeof(to->interface));
    read_method(&reader, to);
    if (to->method == NETWORK_STATIC)
        read_static(&reader, to);
    (void)json_read_u64(&reader, "mtu", JSON_OPTIONAL, LEAST_MTU, MOST_MTU, &mtu);
    (void)json_read_u64(&reader, "wait_s", JSON_OPTIONAL, 1, most_s, &wait_s);
    to->mtu = (uint32_t)mtu;
    to->wait_ms = wait_s * 1000;
    read_resolvers(&reader, to);
    json_read_done(&reader);
}
