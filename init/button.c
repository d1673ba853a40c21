/*
 * ACPI events by generic netlink: family "acpi_event", group "acpi_mc_group" (Linux drivers/acpi/event.c). The events
 * come from the host by way of the kernel; the worst that one can do is what the host can do anyway, end the guest.
 */
#include "init/button.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"

#define FAMILY "acpi_event"
#define EVENT_ATTRIBUTE 1 /* ACPI_GENL_ATTR_EVENT */
#define DEVICE_CLASS_BYTES 20
#define MESSAGE_MAX_BYTES 4096
#define ATTRIBUTE_HEAD_BYTES 4u
#define MESSAGE_HEAD_BYTES (sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr))

/* The next attribute: its type (flags removed) and contents. False at the end. */
static bool next_attribute(struct cursor *c, uint16_t *ret_type, struct cursor *ret_value)
{
    size_t length, padding;
    uint16_t type;

    if (c->left < ATTRIBUTE_HEAD_BYTES)
        return false;
    length = cursor_u16le(c);
    type = cursor_u16le(c);
    if (length < ATTRIBUTE_HEAD_BYTES)
        return false;
    *ret_value = cursor_sub(c, length - ATTRIBUTE_HEAD_BYTES);
    *ret_type = type & NLA_TYPE_MASK;
    padding = NLA_ALIGN(length) - length;
    cursor_skip(c, c->left < padding ? c->left : padding);
    return !ret_value->failed;
}

static bool find_attribute(struct cursor in, uint16_t wanted, struct cursor *ret_value)
{
    uint16_t type;

    while (next_attribute(&in, &type, ret_value))
        if (type == wanted)
            return true;
    return false;
}

static int ask_for_family(int fd)
{
    struct {
        struct nlmsghdr head;
        struct genlmsghdr genl;
        struct nlattr attribute;
        char name[NLA_ALIGN(sizeof(FAMILY))];
    } request = {
        .head = { .nlmsg_len = sizeof(request), .nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST },
        .genl = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
        .attribute = { .nla_len = NLA_HDRLEN + sizeof(FAMILY), .nla_type = CTRL_ATTR_FAMILY_NAME },
        .name = FAMILY,
    };

    return send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) ? 0 : -EIO;
}

/* The id of the family's first multicast group; it has one. */
static int find_group(int fd, uint32_t *ret_group)
{
    uint8_t answer[MESSAGE_MAX_BYTES];
    ssize_t n = recv(fd, answer, sizeof(answer), 0);
    struct cursor groups, group, id;
    uint16_t type;

    if (n < (ssize_t)MESSAGE_HEAD_BYTES)
        return -EPROTO;
    if (!find_attribute(cursor_over(answer + MESSAGE_HEAD_BYTES, (size_t)n - MESSAGE_HEAD_BYTES),
                        CTRL_ATTR_MCAST_GROUPS, &groups) ||
        !next_attribute(&groups, &type, &group) || !find_attribute(group, CTRL_ATTR_MCAST_GRP_ID, &id))
        return -ENOENT;
    *ret_group = cursor_u32le(&id);
    return id.failed ? -EPROTO : 0;
}

int button_open(void)
{
    CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    uint32_t group = 0;

    /* The kernel answers inside send(), so the answer is there when it returns. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || ask_for_family(fd) < 0 ||
        find_group(fd, &group) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -1;
    return fd_take(&fd);
}

/* struct acpi_genl_event: device class (20 bytes of text), bus id, type, data. */
static bool is_power_button(const uint8_t *message, size_t size)
{
    static const char class[] = "button/power";
    struct cursor event;
    uint8_t text[DEVICE_CLASS_BYTES];

    if (size < MESSAGE_HEAD_BYTES ||
        !find_attribute(cursor_over(message + MESSAGE_HEAD_BYTES, size - MESSAGE_HEAD_BYTES), EVENT_ATTRIBUTE, &event))
        return false;
    cursor_copy(&event, text, sizeof(text));
    return !event.failed && memcmp(text, class, sizeof(class)) == 0;
}

bool button_pressed(int fd)
{
    uint8_t message[MESSAGE_MAX_BYTES];
    bool pressed = false;
    ssize_t n;

    while ((n = recv(fd, message, sizeof(message), 0)) > 0)
        pressed = pressed || is_power_button(message, (size_t)n);
    return pressed;
}
