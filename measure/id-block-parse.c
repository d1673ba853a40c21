/*
 * ID blocks and ID authentications as bytes; whoever launches a guest may have made them. After success every byte has
 * a meaning that this file knows, or is zero.
 */
#include "measure/id-block.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

#define ID_BLOCK_VERSION 1u
#define ALGORITHM_ECDSA_P384_SHA384 1u
#define CURVE_P384 2u

int id_policy_check(uint64_t policy, struct reason *why)
{
    if (!(policy & ID_POLICY_RESERVED_ONE))
        return reason_set(why, -EINVAL, "policy 0x%llx: bit 17 is not set, but every guest policy has it (0x30000)",
                          (unsigned long long)policy);
    if (policy & ~ID_POLICY_KNOWN)
        return reason_set(why, -EINVAL, "policy 0x%llx: bits above 25 are set, which no policy has",
                          (unsigned long long)policy);
    return 0;
}

int id_block_parse(const void *data, size_t size, struct id_block *ret_block, struct reason *why)
{
    struct cursor c = cursor_over(data, size);
    struct id_block block;
    struct reason policy_why = { "" };
    uint32_t version;

    cursor_copy(&c, block.digest, sizeof(block.digest));
    cursor_copy(&c, block.family_id, sizeof(block.family_id));
    cursor_copy(&c, block.image_id, sizeof(block.image_id));
    version = cursor_u32le(&c);
    block.guest_svn = cursor_u32le(&c);
    block.policy = cursor_u64le(&c);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "an ID block has %u bytes, found %zu", ID_BLOCK_BYTES, size);
    if (version != ID_BLOCK_VERSION)
        return reason_set(why, -EBADMSG, "ID block of version %u, expected 1", version);
    if (id_policy_check(block.policy, &policy_why) < 0)
        return reason_set(why, -EBADMSG, "ID block: %s", policy_why.text);
    *ret_block = block;
    return 0;
}

/* Two numbers of 48 bytes in fields of 72, and zeros up to `size`. */
static bool numbers_are_p384(const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_over(bytes, size);

    for (int i = 0; i < 2; i++) {
        cursor_skip(&c, 48);
        if (!cursor_zeros(&c, ID_NUMBER_BYTES - 48))
            return false;
    }
    return cursor_zeros(&c, c.left) && cursor_end(&c) == 0;
}

static bool key_is_well_formed(const uint8_t key[ID_KEY_BYTES])
{
    return get_u32le(key) == CURVE_P384 && numbers_are_p384(key + 4, ID_KEY_BYTES - 4);
}

static int check_author(const struct id_auth *auth, uint32_t algorithm, bool *ret_has_author, struct reason *why)
{
    bool absent = all_zero(auth->author_key, ID_KEY_BYTES) && all_zero(auth->author_signature, ID_SIGNATURE_BYTES);

    /* Without an author key its algorithm has no meaning; existing tools write 1 all the same. */
    if (absent && algorithm > ALGORITHM_ECDSA_P384_SHA384)
        return reason_set(why, -EBADMSG, "ID authentication: author key algorithm %u, expected 1 or 0", algorithm);
    if (!absent && algorithm != ALGORITHM_ECDSA_P384_SHA384)
        return reason_set(why, -EBADMSG, "ID authentication: author key algorithm %u, expected 1 (ECDSA P-384)",
                          algorithm);
    if (!absent && !key_is_well_formed(auth->author_key))
        return reason_set(why, -EBADMSG, "ID authentication: the author key is no P-384 key");
    if (!absent && !numbers_are_p384(auth->author_signature, ID_SIGNATURE_BYTES))
        return reason_set(why, -EBADMSG, "ID authentication: the author's signature is none of P-384");
    *ret_has_author = !absent;
    return 0;
}

int id_auth_parse(const void *data, size_t size, struct id_auth *ret_auth, struct reason *why)
{
    struct cursor c = cursor_over(data, size);
    struct id_auth auth;
    uint32_t id_algorithm, author_algorithm;
    bool zeros;
    int r;

    id_algorithm = cursor_u32le(&c);
    author_algorithm = cursor_u32le(&c);
    zeros = cursor_zeros(&c, 0x040 - 0x008);
    cursor_copy(&c, auth.block_signature, sizeof(auth.block_signature));
    cursor_copy(&c, auth.id_key, sizeof(auth.id_key));
    zeros &= cursor_zeros(&c, 0x680 - 0x644);
    cursor_copy(&c, auth.author_signature, sizeof(auth.author_signature));
    cursor_copy(&c, auth.author_key, sizeof(auth.author_key));
    zeros &= cursor_zeros(&c, 0x1000 - 0xc84);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "an ID authentication has %u bytes, found %zu", ID_AUTH_BYTES, size);
    if (id_algorithm != ALGORITHM_ECDSA_P384_SHA384)
        return reason_set(why, -EBADMSG, "ID authentication: ID key algorithm %u, expected 1 (ECDSA P-384)",
                          id_algorithm);
    if (!zeros)
        return reason_set(why, -EBADMSG, "ID authentication: reserved bytes are not zero");
    if (!key_is_well_formed(auth.id_key))
        return reason_set(why, -EBADMSG, "ID authentication: the ID key is no P-384 key");
    if (!numbers_are_p384(auth.block_signature, ID_SIGNATURE_BYTES))
        return reason_set(why, -EBADMSG, "ID authentication: the block's signature is none of P-384");
    r = check_author(&auth, author_algorithm, &auth.has_author, why);
    if (r < 0)
        return r;
    *ret_auth = auth;
    return 0;
}
