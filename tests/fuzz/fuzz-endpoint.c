/* base/endpoint-parse.c. Literal addresses with a port mean the same when written anew; a name is one. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/endpoint.h"
#include "fuzz.h"

static void write_anew(const struct endpoint *endpoint, char *to, size_t room)
{
    char address[INET6_ADDRSTRLEN];
    struct sockaddr_in four;
    struct sockaddr_in6 six;

    if (endpoint->address.ss_family == AF_INET) {
        memcpy(&four, &endpoint->address, sizeof(four));
        REQUIRE(inet_ntop(AF_INET, &four.sin_addr, address, sizeof(address)) && four.sin_port);
        (void)snprintf(to, room, "%s:%u", address, ntohs(four.sin_port));
    } else {
        memcpy(&six, &endpoint->address, sizeof(six));
        REQUIRE(endpoint->address.ss_family == AF_INET6 && endpoint->address_size == sizeof(six));
        REQUIRE(inet_ntop(AF_INET6, &six.sin6_addr, address, sizeof(address)) && six.sin6_port);
        (void)snprintf(to, room, "[%s]:%u", address, ntohs(six.sin6_port));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size);
    char *text = fuzz_copy(data, length, 1), *url = fuzz_copy("https://", 8, length + 2), anew[ENDPOINT_MAX_TEXT];
    struct endpoint endpoint, same;

    memcpy(url + 8, text, length + 1);
    if (endpoint_parse(text, &endpoint) == 0) {
        REQUIRE(strcmp(endpoint.authority, text) == 0);
        write_anew(&endpoint, anew, sizeof(anew));
        REQUIRE(endpoint_parse(anew, &same) == 0 && same.address_size == endpoint.address_size);
        REQUIRE(memcmp(&same.address, &endpoint.address, endpoint.address_size) == 0);
        REQUIRE(endpoint_parse_url(url, NULL, &same) == 0 && strcmp(same.authority, text) == 0);
        memcpy(url + 8 + length, "/", 2);
        REQUIRE(endpoint_parse_url(url, NULL, &same) == 0 && strcmp(same.authority, text) == 0);
    } else {
        /* Behind the scheme it is no better, unless the slash at its end was what was wrong. */
        REQUIRE(endpoint_parse_url(url, NULL, &same) < 0 || (length && text[length - 1] == '/'));
    }
    if (endpoint_parse_url(text, NULL, &same) == 0)
        REQUIRE(strncmp(text, "https://", 8) == 0 && strncmp(text + 8, same.authority, strlen(same.authority)) == 0);
    /* As a name it has a letter and nothing that means something in a header or an address; as an address no name. */
    memcpy(url + 8 + length, "", 1);
    if (endpoint_parse_url(url, "10.0.2.2", &same) == 0)
        REQUIRE(same.name[0] && !strpbrk(same.name, ":/ \r\n@[]%") && strncmp(url + 8, same.name, strlen(same.name)) == 0);
    if (endpoint_parse_url("https://a:1", text, &same) == 0)
        REQUIRE(strcmp(same.name, "a") == 0 && same.address_size);
    free(text);
    free(url);
    return 0;
}
