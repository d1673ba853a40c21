/* Init-data held against HOST_DATA. The text is the host's; HOST_DATA is what this launch was started with. */
#include "release/init-data.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

int init_data_digest(const char *algorithm, const void *text, size_t size,
                     uint8_t ret_digest[INIT_DATA_HOST_DATA_BYTES])
{
    const EVP_MD *hash = strcmp(algorithm, "sha256") == 0   ? EVP_sha256()
                         : strcmp(algorithm, "sha384") == 0 ? EVP_sha384()
                         : strcmp(algorithm, "sha512") == 0 ? EVP_sha512()
                                                            : NULL;
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!hash)
        return -EINVAL;
    if (EVP_Digest(text, size, digest, NULL, hash, NULL) != 1)
        return -ENOMEM;
    memcpy(ret_digest, digest, INIT_DATA_HOST_DATA_BYTES);
    return 0;
}

int init_data_compare(const char *algorithm, const void *text, size_t size,
                      const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES], struct reason *why)
{
    char wanted[HEX_TEXT_BYTES(INIT_DATA_HOST_DATA_BYTES)], found[sizeof(wanted)];
    uint8_t digest[INIT_DATA_HOST_DATA_BYTES];
    int r = init_data_digest(algorithm, text, size, digest);

    if (r == -EINVAL)
        return reason_set(why, -EBADMSG, "init-data: algorithm: expected sha256, sha384 or sha512");
    if (r < 0 || memcmp(digest, host_data, sizeof(digest)) == 0)
        return r;
    hex_encode(digest, sizeof(digest), wanted);
    hex_encode(host_data, sizeof(digest), found);
    return reason_set(why, -EKEYREJECTED, "init-data: its %s is %s, but HOST_DATA of this launch is %s", algorithm,
                      wanted, found);
}

int init_data_verify(const void *text, size_t size, const uint8_t host_data[INIT_DATA_HOST_DATA_BYTES],
                     struct init_data *ret_init_data, struct reason *why)
{
    CLEANUP_INIT_DATA struct init_data init_data = { .identity_count = 0 };
    int r = init_data_parse(text, size, &init_data, why);

    if (r == 0)
        r = init_data_compare(init_data.algorithm, text, size, host_data, why);
    if (r < 0)
        return r;
    *ret_init_data = init_data;
    init_data = (struct init_data){ .identity_count = 0 };
    return 0;
}
