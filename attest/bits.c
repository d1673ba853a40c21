/* Tables of bits. */
#include "attest/bits.h"

#include <stdio.h>
#include <string.h>

const struct bit_names guest_policy_bits = { {
    [16] = "smt",
    [17] = "reserved-one", /* always set */
    [18] = "migrate_ma",
    [19] = "debug",
    [20] = "single_socket",
    [21] = "cxl_allow",
    [22] = "mem_aes_256_xts",
    [23] = "rapl_dis",
    [24] = "ciphertext_hiding",
    [25] = "page_swap_disable",
} };

const struct bit_names platform_info_bits = { {
    [0] = "smt",
    [1] = "tsme",
    [2] = "ecc",
    [3] = "rapl_dis",
    [4] = "ciphertext_hiding",
    [5] = "alias_check_complete",
    [7] = "tio",
} };

uint64_t bit_find(const struct bit_names *bits, const char *name)
{
    for (unsigned i = 0; i < 64; i++)
        if (bits->names[i] && strcmp(bits->names[i], name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

void bit_describe(const struct bit_names *bits, uint64_t value, char *to, size_t room)
{
    size_t used = 0;

    (void)snprintf(to, room, "none");
    for (unsigned i = 0; i < 64 && used < room; i++) {
        const char *space = used ? " " : "";

        if (!(value >> i & 1))
            continue;
        if (bits->names[i])
            used += (size_t)snprintf(to + used, room - used, "%s%s", space, bits->names[i]);
        else
            used += (size_t)snprintf(to + used, room - used, "%sbit-%u", space, i);
    }
}
