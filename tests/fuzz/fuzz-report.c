/*
 * attest/report-parse.c. A report without reserved bytes is the same when it is written anew; with some, it is the same
 * but for these, and the first of them is the one that was noted.
 */
#include "attest/report.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0), anew[REPORT_BYTES];
    struct report report;
    struct reason why = { "" };
    struct tcb tcb;
    size_t first = 0;

    if (report_parse(copy, size, &report, &why) == 0) {
        REQUIRE(size == REPORT_BYTES && report.version >= 2 && report.version <= 5);
        report_encode(&report, anew);
        for (size_t i = 0; i < size; i++) {
            REQUIRE(anew[i] == copy[i] || anew[i] == 0);
            if (anew[i] != copy[i] && !first)
                first = i;
        }
        REQUIRE(first == report.reserved_offset);
        REQUIRE(report_product(&report) <= PRODUCT_TURIN && product_name(report_product(&report)));
        REQUIRE((unsigned)report_signing_key(&report) < 8);
        tcb = tcb_decode(report_product(&report), report.reported_tcb);
        REQUIRE((tcb_encode(report_product(&report), &tcb) & ~report.reported_tcb) == 0);
    } else {
        REQUIRE(why.text[0]);
    }
    free(copy);
    return 0;
}
