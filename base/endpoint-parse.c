/* Addresses out of configuration texts; whoever writes the configuration controls them. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static int parse_port(const char *text, in_port_t *ret_port)
{
    unsigned port = 0;

    if (*text < '1' || *text > '9')
        return -EBADMSG;
    for (; *text >= '0' && *text <= '9' && port <= 65535; text++)
        port = port * 10 + (unsigned)(*text - '0');
    if (*text || port > 65535)
        return -EBADMSG;
    *ret_port = htons((in_port_t)port);
    return 0;
}

/* Fills the address; `host` is the text before the port without brackets. */
static int parse_host(const char *host, bool six, in_port_t port, struct endpoint *to)
{
    struct sockaddr_in four_address = { .sin_family = AF_INET, .sin_port = port };
    struct sockaddr_in6 six_address = { .sin6_family = AF_INET6, .sin6_port = port };

    if (inet_pton(six ? AF_INET6 : AF_INET, host, six ? (void *)&six_address.sin6_addr : &four_address.sin_addr) != 1)
        return -EBADMSG;
    if (six)
        memcpy(&to->address, &six_address, sizeof(six_address));
    else
        memcpy(&to->address, &four_address, sizeof(four_address));
    to->address_size = six ? sizeof(six_address) : sizeof(four_address);
    return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = { .address_size = 0 };
    char host[ENDPOINT_MAX_TEXT];
    size_t size = strlen(text), host_size;
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    in_port_t port;
    int r;

    if (!colon || size >= sizeof(host))
        return -EBADMSG;
    r = parse_port(colon + 1, &port);
    if (r < 0)
        return r;
    host_size = (size_t)(colon - text);
    if (six && (host_size < 3 || colon[-1] != ']'))
        return -EBADMSG;
    host_size -= six ? 2 : 0;
    memcpy(host, text + (six ? 1 : 0), host_size);
    host[host_size] = '\0';
    r = parse_host(host, six, port, &endpoint);
    if (r < 0)
        return r;
    memcpy(endpoint.authority, text, size + 1);
    *ret_endpoint = endpoint;
    return 0;
}

int endpoint_parse_url(const char *url, struct endpoint *ret_endpoint)
{
    static const char scheme[] = "https://";
    char text[ENDPOINT_MAX_TEXT];
    size_t size;

    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return -EBADMSG;
    url += strlen(scheme);
    size = strlen(url);
    if (size && url[size - 1] == '/')
        size--;
    if (size >= sizeof(text))
        return -EBADMSG;
    memcpy(text, url, size);
    text[size] = '\0';
    return endpoint_parse(text, ret_endpoint);
}
