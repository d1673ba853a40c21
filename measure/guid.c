/* GUID comparison; the bytes may come from anybody. */
#include "measure/guid.h"

#include <string.h>

bool guid_equal(const struct guid *a, const struct guid *b)
{
    return memcmp(a->bytes, b->bytes, GUID_BYTES) == 0;
}
