/* broker/admin-parse.c: questions of operators; what is read would be written in the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "broker/admin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct admin_request request;
    CLEANUP_BUFFER struct buffer again = BUFFER_EMPTY;

    if (admin_parse(data, size, &request) < 0)
        return 0;
    admin_write(&request, &again);
    if (buffer_error(&again) < 0 || again.size != size || memcmp(again.data, data, size) != 0)
        abort();
    return 0;
}
