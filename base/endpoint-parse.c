/* Addresses out of configuration texts; whoever writes the configuration controls them. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/encode.h"

/* Fills the address; `host` is without brackets. */
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

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define NAME_CHARACTERS LETTERS "0123456789.-"

/* `address`: NULL where the text has it. */
static int parse(const char *text, const char *address, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = { .address_size = 0 };
    size_t size = strlen(text), host_size;
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    uint64_t port;
    int r;

    if (!colon || size >= sizeof(endpoint.name) || !decimal_decode_text(colon + 1, 65535, &port) || !port)
        return -EBADMSG;
    host_size = (size_t)(colon - text);
    if (six && (host_size < 3 || colon[-1] != ']'))
        return -EBADMSG;
    host_size -= six ? 2 : 0;
    memcpy(endpoint.name, text + (six ? 1 : 0), host_size);
    if (address && (six || !strpbrk(endpoint.name, LETTERS) || endpoint.name[strspn(endpoint.name, NAME_CHARACTERS)]))
        return -EBADMSG;
    r = parse_host(address ? address : endpoint.name, address ? strchr(address, ':') != NULL : six,
                   htons((in_port_t)port), &endpoint);
    if (r < 0)
        return r;
    if (!address)
        memset(endpoint.name, 0, sizeof(endpoint.name));
    memcpy(endpoint.authority, text, size + 1);
    *ret_endpoint = endpoint;
    return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint)
{
    return parse(text, NULL, ret_endpoint);
}

int endpoint_parse_url(const char *url, const char *address, struct endpoint *ret_endpoint)
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
    return parse(text, address, ret_endpoint);
}
