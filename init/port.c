/*
 * The last word, for hosts that do not read a console. The port is the host's: opening it may take as long as the host
 * likes, so this is for a child that nobody waits for beyond a bound.
 */
#include "init/port.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define CLASS "/sys/class/virtio-ports"
#define NAME_MAX_BYTES 64

static bool is_ours(const char *port)
{
    CLEANUP_FREE uint8_t *name = NULL;
    char path[sizeof(CLASS) + 2 * NAME_MAX_BYTES];
    size_t size = 0;

    (void)snprintf(path, sizeof(path), CLASS "/%.*s/name", NAME_MAX_BYTES, port);
    return file_read(path, NAME_MAX_BYTES, &name, &size, NULL) == 0 && strcmp((char *)name, PORT_NAME "\n") == 0;
}

void port_write_line(const void *line, size_t size)
{
    DIR *ports = opendir(CLASS);
    struct dirent *port;

    while (ports && (port = readdir(ports))) {
        CLEANUP_FD int fd = -1;
        char path[8 + NAME_MAX_BYTES];

        if (port->d_name[0] == '.' || !is_ours(port->d_name))
            continue;
        (void)snprintf(path, sizeof(path), "/dev/%.*s", NAME_MAX_BYTES, port->d_name);
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && write(fd, line, size) < 0)
            break; /* nobody there: the console has it */
    }
    if (ports)
        (void)closedir(ports);
}
