/* Expected and live tables. What the kernel says is compared word by word and decides nothing. */
#include "luks/expect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "luks/dm-task.h"
#include "luks/integrity.h"
#include "luks/luks.h"

/*
 * As "SECTORS TARGET PARAMETERS". The key of our devices is in the keyring; of one that somebody made with a key in its
 * table the kernel gives the key, and it is left out.
 */
static int read_table(const char *name, char *ret_text, size_t room)
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_TABLE, name);
    uint64_t start = 0, length = 0;
    char *target = NULL, *parameters = NULL, *words;
    int r = task && dm_task_secure_data(task) == 1 ? dm_task_do(task) : -ENOMEM, size;

    if (r < 0)
        return r;
    if (dm_get_next_target(task, NULL, &start, &length, &target, &parameters) || !target || !parameters || start)
        return -EMSGSIZE;
    words = strcmp(target, "crypt") == 0 ? strchr(parameters, ' ') : NULL;
    if (words && words[1] != ':')
        size = snprintf(ret_text, room, "%llu %s %.*s KEY-IN-TABLE%s", (unsigned long long)length, target,
                        (int)(words - parameters), parameters, words + 1 + strcspn(words + 1, " "));
    else
        size = snprintf(ret_text, room, "%llu %s %s", (unsigned long long)length, target, parameters);
    return size < 0 || (size_t)size >= room ? -EMSGSIZE : 0;
}

static int find_device(const char *name, char ret_device[32])
{
    CLEANUP_TASK struct dm_task *task = dm_task_for(DM_DEVICE_INFO, name);
    struct dm_info info;
    int r = task ? dm_task_do(task) : -ENOMEM;

    if (r == 0 && (dm_task_get_info(task, &info) != 1 || !info.exists))
        r = -ENXIO;
    if (r == 0)
        (void)snprintf(ret_device, 32, "%u:%u", info.major, info.minor);
    return r;
}

static int read_live(struct expect_table *expected)
{
    char wanted[sizeof(expected->live)];
    int r = read_table(expected->table.name, expected->live, sizeof(expected->live));

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
        if (r == 0 && find_device(name, below) < 0)
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
