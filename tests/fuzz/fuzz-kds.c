/* psp/kds-parse.c. What is accepted as a VCEK's target means the same when it is written anew. */
#include "base/encode.h"
#include "fuzz.h"
#include "psp/kds.h"

static void write_anew(const struct kds_query *query, char *to, size_t room)
{
    char id[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    REQUIRE(query->chip_id_size == (query->product == PRODUCT_TURIN ? 8 : CHIP_ID_BYTES));
    hex_encode(query->chip_id, query->chip_id_size, id);
    (void)snprintf(to, room, "/vcek/v1/%s/%s?ucodeSPL=%03u&snpSPL=%u&teeSPL=%u&blSPL=%u", product_name(query->product),
                   id, query->tcb.microcode, query->tcb.snp, query->tcb.tee, query->tcb.bootloader);
    if (query->product == PRODUCT_TURIN)
        (void)snprintf(to + strlen(to), room - strlen(to), "&fmcSPL=%u", query->tcb.fmc);
    else
        REQUIRE(query->tcb.fmc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, strnlen((const char *)data, size), 1), anew[KDS_TARGET_MAX_BYTES];
    struct kds_query query, same;
    struct reason why = { "" };

    if (kds_parse_target(text, &query, &why) == 0) {
        REQUIRE(query.product != PRODUCT_UNKNOWN && (!query.vlek || query.what != KDS_VCEK));
        if (query.what == KDS_VCEK) {
            write_anew(&query, anew, sizeof(anew));
            REQUIRE(kds_parse_target(anew, &same, NULL) == 0 && same.product == query.product);
            REQUIRE(memcmp(same.chip_id, query.chip_id, CHIP_ID_BYTES) == 0 && tcb_equal(&same.tcb, &query.tcb));
        }
    } else {
        REQUIRE(why.text[0]);
    }
    free(text);
    return 0;
}
