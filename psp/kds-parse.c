/* Targets of requests to the key distribution service: anybody's text. Pure. */
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "psp/kds.h"

/* Takes the text up to one of `ends` (or the end) off the front. */
static size_t take_part(const char **text, const char *ends, const char **ret_part)
{
    size_t size = strcspn(*text, ends);

    *ret_part = *text;
    *text += size;
    if (**text)
        (*text)++;
    return size;
}

static bool is(const char *part, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(part, word, size) == 0;
}

/* One, two or three digits, up to 255. */
static bool parse_level(const char *text, size_t size, uint8_t *ret_level)
{
    unsigned level = 0;

    if (size < 1 || size > 3)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        level = level * 10 + (unsigned)(text[i] - '0');
    }
    *ret_level = (uint8_t)level;
    return level <= UINT8_MAX;
}

/* Every level of the product exactly once, in any order. */
static bool parse_query(const char *text, struct kds_query *query)
{
    struct {
        const char *name;
        uint8_t *to;
        bool seen;
    } levels[] = { { "blSPL", &query->tcb.bootloader, false }, { "teeSPL", &query->tcb.tee, false },
                   { "snpSPL", &query->tcb.snp, false },       { "ucodeSPL", &query->tcb.microcode, false },
                   { "fmcSPL", &query->tcb.fmc, false } };
    size_t wanted = query->product == PRODUCT_TURIN ? 5 : 4, found = 0;

    while (*text) {
        const char *name, *pair = NULL, *value;
        size_t pair_size = take_part(&text, "&", &pair), i = 0;
        size_t name_size = (name = pair, strcspn(pair, "=&"));

        while (i < wanted && !is(name, name_size, levels[i].name))
            i++;
        if (i == wanted || levels[i].seen || name_size >= pair_size)
            return false;
        value = name + name_size + 1;
        if (!parse_level(value, pair_size - name_size - 1, levels[i].to))
            return false;
        levels[i].seen = true;
        found++;
    }
    return found == wanted;
}

static int parse_vcek(const char *id, size_t id_size, const char *query_text, struct kds_query *query,
                      struct reason *why)
{
    query->what = KDS_VCEK;
    query->chip_id_size = chip_id_size(query->product);
    if (id_size != 2 * query->chip_id_size || hex_decode(id, id_size, query->chip_id, query->chip_id_size) < 0)
        return reason_set(why, -EBADMSG, "chip ids of %s have %zu hexadecimal digits", product_name(query->product),
                          2 * query->chip_id_size);
    if (!parse_query(query_text, query))
        return reason_set(why, -EBADMSG, "the query needs blSPL, teeSPL, snpSPL, ucodeSPL%s, each from 0 to 255",
                          query->product == PRODUCT_TURIN ? " and fmcSPL" : "");
    return 0;
}

int kds_parse_target(const char *target, struct kds_query *ret_query, struct reason *why)
{
    struct kds_query query = { .what = KDS_CHAIN };
    const char *kind, *version, *product, *last;
    size_t kind_size, version_size, product_size, last_size;
    int r = 0;

    if (*target != '/' || strlen(target) > KDS_TARGET_MAX_BYTES)
        return reason_set(why, -ENOENT, "no such path");
    target++;
    kind_size = take_part(&target, "/", &kind);
    version_size = take_part(&target, "/", &version);
    product_size = take_part(&target, "/", &product);
    last_size = take_part(&target, "?", &last);
    for (enum product p = PRODUCT_MILAN; p <= PRODUCT_TURIN; p++)
        if (is(product, product_size, product_name(p)))
            query.product = p;
    query.vlek = is(kind, kind_size, "vlek");
    if ((!query.vlek && !is(kind, kind_size, "vcek")) || !is(version, version_size, "v1") ||
        query.product == PRODUCT_UNKNOWN)
        return reason_set(why, -ENOENT, "no such path");
    if (is(last, last_size, "crl") && !*target)
        query.what = KDS_CRL;
    else if (!is(last, last_size, "cert_chain") || *target)
        r = query.vlek ? reason_set(why, -ENOENT, "VLEKs are for the cloud's operator alone") :
                         parse_vcek(last, last_size, target, &query, why);
    if (r < 0)
        return r;
    *ret_query = query;
    return 0;
}
