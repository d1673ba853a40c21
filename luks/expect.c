/* Expected and live tables. What the kernel says is compared word by word and decides nothing. */
#include "luks/expect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "luks/integrity.h"
#include "luks/luks.h"

/* "SECTORS TARGET PARAMETERS" of a device that is there. */
static int read_live(struct expect_table *expected)
{
    char wanted[sizeof(expected->live)];
    int r = dm_read_table(expected->table.name, expected->live, sizeof(expected->live));

    if (r == -ENXIO || r == -ENODEV) {
        expected->live[0] = '\0';
        return 0;
    }
    (void)snprintf(wanted, sizeof(wanted), "%llu %s %s", (unsigned long long)expected->table.sectors,
                   expected->table.target, expected->table.parameters);
    expected->same = r == 0 && strcmp(wanted, expected->live) == 0;
    return r;
}

int expect_tables(const struct crypt_volume *volume, const char *device, size_t key_size,
                  struct expect_table ret_tables[EXPECT_MAX_TABLES], size_t *ret_count)
{
    bool tags = strcmp(volume->integrity, "none") != 0;
    char below[32], name[DM_MAX_NAME_BYTES + 8];
    struct integrity_layout layout;
    size_t count = 0;
    int r = 0;

    memset(ret_tables, 0, EXPECT_MAX_TABLES * sizeof(ret_tables[0]));
    (void)snprintf(below, sizeof(below), "%s", device);
    if (tags) {
        (void)snprintf(name, sizeof(name), "%s.tags", volume->name);
        r = integrity_make_layout(volume->length, volume->layout_length, &layout);
        if (r == 0)
            r = integrity_table(name, &layout, device, volume->offset, &ret_tables[0].table);
        if (r == 0)
            r = read_live(&ret_tables[count++]);
        if (r == 0 && dm_find_device(name, below) < 0)
            (void)snprintf(below, sizeof(below), "0:0");
    }
    if (r == 0)
        r = crypt_table(volume, below, key_size, &ret_tables[count].table);
    if (r == 0)
        r = read_live(&ret_tables[count++]);
    if (r == 0)
        *ret_count = count;
    return r;
}
