/* Who may have evidence, out of postern.json; measured, as the rest of it. */
#include "init/config-read.h"

void config_read_attestation(struct json_reader *parent, struct config_attestation *to)
{
    struct json_reader reader, array;

    if (!json_read_object(parent, "attestation", JSON_OPTIONAL, &reader))
        return;
    if (json_read_array(&reader, "uids", JSON_REQUIRED, CONFIG_MAX_UIDS, &array, &to->uid_count) && !to->uid_count)
        json_refuse(&reader, "uids", "empty: nobody could ever ask; leave attestation out instead");
    for (size_t i = 0; i < to->uid_count; i++) {
        uint64_t uid = 0;

        (void)json_element_u64(&array, i, UINT32_MAX - 1, &uid);
        to->uids[i] = (uint32_t)uid;
    }
    json_read_done(&reader);
}
