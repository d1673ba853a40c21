/* Operations on certificates of chips. */
#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/file.h"
#include "broker/chips.h"
#include "broker/operate.h"

int operate_chip_add(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    const struct admin_file *file = admin_find_file(request, ADMIN_FILE_CERTIFICATE);
    CLEANUP_FREE uint8_t *text = NULL;
    unsigned count = 0;
    size_t size = 0;
    int r;

    if (!file)
        return reason_set(why, -EINVAL, "there is no file");
    r = fd_read_whole(file->fd, file->name, CHIPS_MAX_FILE_BYTES, &text, &size, why);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    r = chips_add(operation->store, text, size, &count, why);
    if (r == -EINVAL)
        reason_prefix(why, file->name);
    if (r == 0)
        buffer_printf(operation->output, "%s: certificates of %u chips and TCBs\n", file->name, count);
    return r;
}

struct listing {
    struct buffer *to;
    bool json;
};

static int list_one(void *context, const uint8_t chip_id[CHIP_ID_BYTES], uint64_t tcb)
{
    const struct listing *listing = context;
    char text[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    hex_encode(chip_id, CHIP_ID_BYTES, text);
    buffer_printf(listing->to, listing->json ? "{\"chip_id\":\"%s\",\"tcb\":\"%016llx\"}\n" : "%s  TCB %016llx\n", text,
                  (unsigned long long)tcb);
    return 0;
}

int operate_chip_list(const struct operation *operation, const struct admin_request *request, struct reason *why)
{
    struct listing listing = { operation->output, request->json };

    return chips_each(operation->store, list_one, &listing, why);
}
