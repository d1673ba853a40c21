/*
 * init/lease-parse.c: words of udhcpc's environment, one a line. What is accepted is an address that a host can have,
 * in a network that holds its router.
 */
#include "fuzz.h"
#include "init/lease.h"

#define MAX_WORDS 64

static void check(const struct lease *lease)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    REQUIRE(lease->address.prefix_bits >= 8 && lease->address.prefix_bits <= 32);
    REQUIRE(lease->address.bytes[0] && lease->address.bytes[0] != 127 && lease->address.bytes[0] < 224);
    REQUIRE(!lease->mtu || (lease->mtu >= LEASE_LEAST_MTU && lease->mtu <= LEASE_MOST_MTU));
    REQUIRE(lease->resolver_count <= LEASE_MAX_RESOLVERS);
    if (lease->has_router && !lease->router_on_link)
        REQUIRE(lease->router.bytes[0] == lease->address.bytes[0]);
    lease_write_resolvers(lease, &text);
    REQUIRE(buffer_error(&text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size, 1), *words[MAX_WORDS + 1] = { NULL };
    struct reason why = { "" };
    struct lease lease;
    size_t count = 0;

    for (char *at = copy; *at && count < MAX_WORDS; count++) {
        char *end = strchrnul(at, '\n');

        words[count] = at;
        at = *end ? end + 1 : end;
        *end = '\0';
    }
    if (lease_parse(words, &lease, &why) == 0)
        check(&lease);
    else
        REQUIRE(why.text[0]);
    free(copy);
    return 0;
}
