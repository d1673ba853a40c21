/* libvirt's domain XML. Paths, names and numbers are the user's; text is escaped. */
#include "cli/libvirt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "cli/audit-page.h"

/* <name>text</name> on a line of its own, indented. */
static void element(struct buffer *to, const char *indent, const char *name, const char *text)
{
    buffer_printf(to, "%s<%s>", indent, name);
    page_add_text(to, text);
    buffer_printf(to, "</%s>\n", name);
}

/* libvirt takes absolute paths only; those that the user gives may be another host's. */
static int add_path(struct buffer *to, const char *before, const char *path, const char *after, struct reason *why)
{
    CLEANUP_FREE char *absolute = path[0] == '/' ? strdup(path) : realpath(path, NULL);

    if (!absolute)
        return reason_set(why, -errno, "%s: %s", path, strerror(errno));
    buffer_add_text(to, before);
    page_add_text(to, absolute);
    buffer_add_text(to, after);
    return 0;
}

static int add_os(const struct qemu_inputs *q, struct buffer *to, struct reason *why)
{
    int r;

    buffer_add_text(to, "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n");
    r = add_path(to, "    <loader type='rom' format='raw'>", q->firmware, "</loader>\n", why);
    if (r == 0)
        r = add_path(to, "    <kernel>", q->kernel, "</kernel>\n", why);
    if (r == 0)
        r = add_path(to, "    <initrd>", q->initrd, "</initrd>\n", why);
    element(to, "    ", "cmdline", q->append);
    buffer_add_text(to, "  </os>\n");
    return r;
}

static void add_cpu(const struct qemu_inputs *q, struct buffer *to)
{
    buffer_add_text(to, "  <features>\n    <acpi/>\n    <apic/>\n  </features>\n");
    if (q->hardware)
        buffer_printf(to, "  <cpu mode='custom' match='exact' check='none'>\n    <model fallback='forbid'>%s</model>\n"
                      "  </cpu>\n", q->vcpu_type);
}

static int add_disk(struct buffer *to, const struct qemu_disk *disk, size_t index, struct reason *why)
{
    int r;

    buffer_add_text(to, "    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw'/>\n");
    r = add_path(to, "      <source file='", disk->path, "'/>\n", why);
    buffer_printf(to, "      <target dev='vd%c' bus='virtio'/>\n", (char)('a' + index));
    if (disk->read_only)
        buffer_add_text(to, "      <readonly/>\n");
    element(to, "      ", "serial", disk->serial);
    buffer_add_text(to, "    </disk>\n");
    return r;
}

static int add_disks(const struct qemu_inputs *q, struct buffer *to, struct reason *why)
{
    const struct qemu_disk root = { .path = (char *)(uintptr_t)q->root, .serial = "root", .read_only = true };
    int r = add_disk(to, &root, 0, why);

    for (size_t i = 0; r == 0 && i < q->disks->count; i++) {
        struct qemu_disk disk;

        r = qemu_disk_parse(q->disks->values[i], &disk, why);
        if (r == 0)
            r = add_disk(to, &disk, i + 1, why);
        qemu_disk_free(&disk);
    }
    return r;
}

/* passt forwards ports; the guest has the address that images of these recipes configure. */
static int add_network(const struct qemu_inputs *q, struct buffer *to, struct reason *why)
{
    buffer_add_text(to, "    <interface type='user'>\n      <backend type='passt'/>\n      <model type='virtio'/>\n"
                        "      <ip family='ipv4' address='10.0.2.15' prefix='24'/>\n");
    for (size_t i = 0; i < q->forwards->count; i++) {
        uint16_t host, guest;
        int r = qemu_forward_parse(q->forwards->values[i], &host, &guest, why);

        if (r < 0)
            return r;
        buffer_printf(to, "      <portForward proto='tcp' address='127.0.0.1'>\n        <range start='%u' to='%u'/>\n"
                      "      </portForward>\n", host, guest);
    }
    buffer_add_text(to, "    </interface>\n");
    return 0;
}

static void add_serial(const struct libvirt_inputs *inputs, struct buffer *to)
{
    if (inputs->console_file) {
        buffer_add_text(to, "    <serial type='file'>\n      <source path='");
        page_add_text(to, inputs->console_file);
        buffer_add_text(to, "'/>\n");
    } else {
        buffer_add_text(to, "    <serial type='pty'>\n");
    }
    buffer_add_text(to, "      <target port='0'/>\n    </serial>\n");
    if (inputs->qemu->hardware)
        return;
    buffer_add_text(to, "    <serial type='unix'>\n      <source mode='connect' path='");
    page_add_text(to, inputs->qemu->psp_socket);
    buffer_add_text(to, "'/>\n      <target port='1'/>\n    </serial>\n");
}

static void add_security(const struct qemu_hardware *hardware, struct buffer *to)
{
    char data[BASE64_TEXT_BYTES(32)];

    buffer_printf(to, "  <launchSecurity type='sev-snp' kernelHashes='yes'%s>\n",
                  hardware->has_author ? " authorKey='yes'" : "");
    buffer_printf(to, "    <cbitpos>%u</cbitpos>\n    <reducedPhysBits>%u</reducedPhysBits>\n", hardware->c_bit,
                  hardware->reduced_bits);
    buffer_printf(to, "    <policy>0x%llx</policy>\n", (unsigned long long)hardware->policy);
    if (hardware->id_block) {
        element(to, "    ", "idBlock", hardware->id_block);
        element(to, "    ", "idAuth", hardware->id_auth);
    }
    if (hardware->host_data) {
        (void)base64_encode(BASE64_STANDARD, hardware->host_data, 32, data);
        element(to, "    ", "hostData", data);
    }
    buffer_add_text(to, "  </launchSecurity>\n");
}

/* Under emulation: what the type's own CPU is, and the table of hashes where a launch would put it. */
static void add_emulation(const struct qemu_inputs *q, struct buffer *to)
{
    char cpu[96];

    qemu_emulated_cpu(q->cpu_signature, cpu);
    buffer_add_text(to, "  <qemu:commandline>\n");
    buffer_printf(to, "    <qemu:arg value='-cpu'/>\n    <qemu:arg value='%s'/>\n", cpu);
    buffer_add_text(to, "    <qemu:arg value='-device'/>\n    <qemu:arg value='loader,file=");
    page_add_text(to, q->hashes);
    buffer_printf(to, ",addr=0x%llx,force-raw=on'/>\n  </qemu:commandline>\n", (unsigned long long)q->hashes_gpa);
}

int libvirt_domain_make(const struct libvirt_inputs *inputs, struct buffer *to, struct reason *why)
{
    const struct qemu_inputs *q = inputs->qemu;
    int r;

    buffer_printf(to, "<domain type='%s'%s>\n", strcmp(q->accelerator, "kvm") == 0 ? "kvm" : "qemu",
                  q->hardware ? "" : " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'");
    element(to, "  ", "name", inputs->name);
    buffer_printf(to, "  <memory unit='MiB'>%llu</memory>\n", (unsigned long long)q->memory_mib);
    if (q->hardware)
        buffer_add_text(to, "  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
                            "  </memoryBacking>\n");
    buffer_printf(to, "  <vcpu>%llu</vcpu>\n", (unsigned long long)q->vcpus);
    r = add_os(q, to, why);
    add_cpu(q, to);
    buffer_add_text(to, "  <on_reboot>destroy</on_reboot>\n  <on_crash>destroy</on_crash>\n  <devices>\n");
    if (r == 0)
        r = add_disks(q, to, why);
    if (r == 0)
        r = add_network(q, to, why);
    add_serial(inputs, to);
    buffer_add_text(to, "    <memballoon model='none'/>\n  </devices>\n");
    if (q->hardware)
        add_security(q->hardware, to);
    else
        add_emulation(q, to);
    buffer_add_text(to, "</domain>\n");
    return r < 0 ? r : buffer_error(to);
}
