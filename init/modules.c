/*
 * Stage modules: loads the modules of the initrd in the order that was worked out when the image was built, then
 * closes that door. List and modules are measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "init/init.h"

#define MODULES_PATH "/usr/lib/postern/modules"
#define LIST_PATH "/usr/lib/postern/modules.list"
#define LIST_MAX_BYTES 16384
#define NAME_MAX_BYTES 63

/* Whether a module that may be missing its device or instruction said just that. */
static bool is_absence(int error)
{
    return error == -ENODEV || error == -ENXIO || error == -EOPNOTSUPP;
}

static int load(const char *name)
{
    char path[sizeof(MODULES_PATH) + NAME_MAX_BYTES + 8];
    CLEANUP_FD int fd = -1;

    (void)snprintf(path, sizeof(path), MODULES_PATH "/%s.ko", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
        return -errno;
    return 0;
}

/* One line of the list: a name, perhaps "optional" behind a space. */
static int load_line(struct boot *boot, char *line)
{
    char *flag = strchr(line, ' ');
    bool optional = false;
    int r;

    if (flag) {
        *flag++ = '\0';
        optional = strcmp(flag, "optional") == 0;
        if (!optional)
            return reason_set(&boot->why, -EBADMSG, LIST_PATH ": unknown word \"%s\" behind %s", flag, line);
    }
    if (!*line || strlen(line) > NAME_MAX_BYTES || strchr(line, '/'))
        return reason_set(&boot->why, -EBADMSG, LIST_PATH ": \"%s\" is no module name", line);
    r = load(line);
    if (r == 0 || (optional && is_absence(r)))
        return 0;
    return reason_set(&boot->why, r, "%s: %s", line, strerror(-r));
}

int stage_modules(struct boot *boot)
{
    CLEANUP_FREE uint8_t *list = NULL;
    size_t size = 0;
    char *line, *next;
    int r = file_read(LIST_PATH, LIST_MAX_BYTES, &list, &size, &boot->why);

    if (r < 0)
        return boot_refuse(boot, REFUSAL_MODULE, r);
    for (line = (char *)list; *line; line = next) {
        next = strchrnul(line, '\n');
        if (*next)
            *next++ = '\0';
        r = load_line(boot, line);
        if (r < 0)
            return boot_refuse(boot, REFUSAL_MODULE, r);
    }
    r = file_poke("/proc/sys/kernel/modules_disabled", "1");
    if (r < 0 && r != -ENOENT) /* a kernel without modules has no such file */
        return boot_refuse(boot, REFUSAL_MODULE, r);
    return 0;
}
