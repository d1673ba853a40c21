/* QEMU's command line. Paths and numbers are the user's; commas in paths are doubled as QEMU wants them. */
#include "cli/qemu.h"

#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"

#define SERIAL_MAX_BYTES 20 /* of virtio-blk */

const char *qemu_accelerator(void)
{
    bool processor = access("/sys/module/kvm_amd", F_OK) == 0 || access("/sys/module/kvm_intel", F_OK) == 0;

    return processor && access("/dev/kvm", R_OK | W_OK) == 0 ? "kvm" : "tcg";
}

/* Adds a word; a failure shows in count, which then stays above the maximum. */
static void add(struct qemu_command *command, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct qemu_command *command, const char *format, ...)
{
    va_list arguments;
    char *word = NULL;

    if (command->count >= QEMU_MAX_WORDS) {
        command->count = QEMU_MAX_WORDS + 1;
        return;
    }
    va_start(arguments, format);
    if (vasprintf(&word, format, arguments) < 0)
        word = NULL;
    va_end(arguments);
    if (word)
        command->words[command->count++] = word;
    else
        command->count = QEMU_MAX_WORDS + 1;
}

/* A path as a value inside one of QEMU's comma-separated options. */
static char *escaped(const char *path, size_t size)
{
    char *copy = calloc(2, size + 1), *to = copy;

    for (size_t i = 0; copy && i < size; i++) {
        *to++ = path[i];
        if (path[i] == ',')
            *to++ = ',';
    }
    return copy;
}

static int add_disk(struct qemu_command *command, const char *serial, const char *path, size_t path_size,
                    bool read_only, size_t index)
{
    char *file = escaped(path, path_size);

    if (!file)
        return -ENOMEM;
    add(command, "-blockdev");
    add(command, "driver=raw,node-name=disk%zu,read-only=%s,file.driver=file,file.filename=%s", index,
        read_only ? "on" : "off", file);
    add(command, "-device");
    add(command, "virtio-blk-pci,drive=disk%zu,serial=%s,disable-legacy=on", index, serial);
    free(file);
    return 0;
}

int qemu_disk_parse(const char *text, struct qemu_disk *ret_disk, struct reason *why)
{
    const char *equals = strchr(text, '=');
    size_t serial_size = equals ? (size_t)(equals - text) : 0, size = equals ? strlen(equals + 1) : 0;
    bool read_only = size > 3 && strcmp(equals + 1 + size - 3, ",ro") == 0;

    *ret_disk = (struct qemu_disk){ .read_only = read_only };
    if (!serial_size || serial_size > SERIAL_MAX_BYTES || !size ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != serial_size)
        return reason_set(why, -EINVAL, "--disk: \"%s\" is not of the form SERIAL=FILE or SERIAL=FILE,ro", text);
    memcpy(ret_disk->serial, text, serial_size);
    ret_disk->path = strndup(equals + 1, read_only ? size - 3 : size);
    return ret_disk->path ? 0 : -ENOMEM;
}

void qemu_disk_free(struct qemu_disk *disk)
{
    free(disk->path);
    disk->path = NULL;
}

static int add_named_disk(struct qemu_command *command, const char *text, size_t index, struct reason *why)
{
    CLEANUP(qemu_disk_free) struct qemu_disk disk = { .path = NULL };
    int r = qemu_disk_parse(text, &disk, why);

    return r < 0 ? r : add_disk(command, disk.serial, disk.path, strlen(disk.path), disk.read_only, index);
}

int qemu_forward_parse(const char *text, uint16_t *ret_host, uint16_t *ret_guest, struct reason *why)
{
    const char *colon = strchr(text, ':');
    uint64_t host = 0, guest = 0;
    char left[8] = "";

    if (colon && (size_t)(colon - text) < sizeof(left))
        memcpy(left, text, (size_t)(colon - text));
    if (!left[0] || command_parse_u64(left, &host) < 0 || command_parse_u64(colon + 1, &guest) < 0 || !host ||
        !guest || host > 65535 || guest > 65535)
        return reason_set(why, -EINVAL, "--forward: \"%s\" is not of the form HOST-PORT:GUEST-PORT", text);
    *ret_host = (uint16_t)host;
    *ret_guest = (uint16_t)guest;
    return 0;
}

static int add_network(struct qemu_command *command, const struct option_list *forwards, struct reason *why)
{
    CLEANUP_BUFFER struct buffer netdev = BUFFER_EMPTY;

    buffer_add_text(&netdev, "user,id=net0");
    for (size_t i = 0; i < forwards->count; i++) {
        uint16_t host, guest;
        int r = qemu_forward_parse(forwards->values[i], &host, &guest, why);

        if (r < 0)
            return r;
        buffer_printf(&netdev, ",hostfwd=tcp:127.0.0.1:%u-:%u", host, guest);
    }
    add(command, "-netdev");
    add(command, "%s", buffer_text(&netdev));
    add(command, "-device");
    add(command, "virtio-net-pci,netdev=net0,disable-legacy=on,romfile=");
    return buffer_error(&netdev);
}

/*
 * Emulation has not all that the real type has and says so at length; all that it has, under the type's own signature,
 * is what the guest and its digest see of the type.
 */
void qemu_emulated_cpu(uint32_t signature, char ret_text[96])
{
    (void)snprintf(ret_text, 96, "max,vendor=AuthenticAMD,family=%u,model=%u,stepping=%u",
                   (signature >> 20 & 0xff) + 15, (signature >> 16 & 15) << 4 | (signature >> 4 & 15), signature & 15);
}

void qemu_host_bits(unsigned *ret_c_bit, unsigned *ret_reduced_bits)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    bool there = __get_cpuid(0x8000001f, &eax, &ebx, &ecx, &edx) == 1 && (ebx & 63) != 0;

    *ret_c_bit = there ? ebx & 63 : 51;
    *ret_reduced_bits = there ? ebx >> 6 & 63 : 1;
}

static void add_hardware(struct qemu_command *command, const struct qemu_inputs *inputs)
{
    const struct qemu_hardware *hardware = inputs->hardware;
    CLEANUP_BUFFER struct buffer object = BUFFER_EMPTY;
    char data[BASE64_TEXT_BYTES(QEMU_HOST_DATA_BYTES)];

    add(command, "-object");
    add(command, "memory-backend-memfd,id=ram0,size=%lluM,share=on,prealloc=off",
        (unsigned long long)inputs->memory_mib);
    buffer_printf(&object, "sev-snp-guest,id=snp0,cbitpos=%u,reduced-phys-bits=%u,policy=0x%llx,kernel-hashes=on",
                  hardware->c_bit, hardware->reduced_bits, (unsigned long long)hardware->policy);
    if (hardware->host_data) {
        (void)base64_encode(BASE64_STANDARD, hardware->host_data, QEMU_HOST_DATA_BYTES, data);
        buffer_printf(&object, ",host-data=%s", data);
    }
    if (hardware->id_block)
        buffer_printf(&object, ",id-block=%s,id-auth=%s%s", hardware->id_block, hardware->id_auth,
                      hardware->has_author ? ",author-key-enabled=on" : "");
    add(command, "-object");
    add(command, "%s", buffer_text(&object));
    if (buffer_error(&object) < 0)
        command->count = QEMU_MAX_WORDS + 1;
}

static void add_machine(struct qemu_command *command, const struct qemu_inputs *inputs)
{
    bool tcg = strcmp(inputs->accelerator, "tcg") == 0;
    char cpu[96];

    add(command, "%s", inputs->program);
    add(command, "-nodefaults");
    add(command, "-no-user-config");
    add(command, "-no-reboot"); /* a guest that panics ends */
    add(command, "-display");
    add(command, "none");
    add(command, "-machine");
    add(command, "q35%s", inputs->hardware ? ",confidential-guest-support=snp0,memory-backend=ram0" : "");
    add(command, "-accel");
    /* With a thread for each processor, 7 of 666 guests lost the timer of one (QEMU 10.0.13); with one, none. */
    add(command, "%s%s", inputs->accelerator, tcg ? ",thread=single" : "");
    add(command, "-cpu");
    if (tcg)
        qemu_emulated_cpu(inputs->cpu_signature, cpu);
    add(command, "%s", tcg ? cpu : inputs->vcpu_type);
    add(command, "-smp");
    add(command, "%llu", (unsigned long long)inputs->vcpus);
    add(command, "-m");
    add(command, "%llu", (unsigned long long)inputs->memory_mib);
    if (inputs->hardware)
        add_hardware(command, inputs);
}

/* Where SEV-SNP's launch would put the table of hashes, a loader does. */
static void add_hashes(struct qemu_command *command, const struct qemu_inputs *inputs)
{
    char *hashes = escaped(inputs->hashes, strlen(inputs->hashes));

    add(command, "-device");
    add(command, "loader,file=%s,addr=0x%llx,force-raw=on", hashes ? hashes : "",
        (unsigned long long)inputs->hashes_gpa);
    if (!hashes)
        command->count = QEMU_MAX_WORDS + 1;
    free(hashes);
}

static void add_boot(struct qemu_command *command, const struct qemu_inputs *inputs)
{
    add(command, "-bios");
    add(command, "%s", inputs->firmware);
    add(command, "-kernel");
    add(command, "%s", inputs->kernel);
    add(command, "-initrd");
    add(command, "%s", inputs->initrd);
    add(command, "-append");
    add(command, "%s", inputs->append);
    if (!inputs->hardware)
        add_hashes(command, inputs);
}

static void add_lines(struct qemu_command *command, const struct qemu_inputs *inputs)
{
    add(command, "-serial");
    add(command, "stdio"); /* the first line is the console */
    if (!inputs->hardware) {
        add(command, "-chardev");
        add(command, "socket,id=psp,path=%s", inputs->psp_socket);
        add(command, "-serial");
        add(command, "chardev:psp");
    }
    if (inputs->monitor_fd >= 0) {
        add(command, "-chardev");
        add(command, "socket,id=monitor,fd=%d", inputs->monitor_fd);
        add(command, "-mon");
        add(command, "chardev=monitor,mode=control");
    }
    if (inputs->extra_monitor) {
        add(command, "-qmp");
        add(command, "unix:%s,server=on,wait=off", inputs->extra_monitor);
    }
}

int qemu_command_make(const struct qemu_inputs *inputs, struct qemu_command *ret_command, struct reason *why)
{
    CLEANUP(qemu_command_free) struct qemu_command command = { .count = 0 };
    int r;

    add_machine(&command, inputs);
    add_boot(&command, inputs);
    add_lines(&command, inputs);
    r = add_network(&command, inputs->forwards, why);
    if (r == 0)
        r = add_disk(&command, "root", inputs->root, strlen(inputs->root), true, 0);
    for (size_t i = 0; r == 0 && i < inputs->disks->count; i++)
        r = add_named_disk(&command, inputs->disks->values[i], i + 1, why);
    if (r == 0 && command.count > QEMU_MAX_WORDS)
        r = -ENOMEM;
    if (r < 0)
        return r;
    *ret_command = command;
    command = (struct qemu_command){ .count = 0 };
    return 0;
}

void qemu_command_free(struct qemu_command *command)
{
    for (size_t i = 0; i < QEMU_MAX_WORDS; i++)
        free((void *)(uintptr_t)command->words[i]);
    *command = (struct qemu_command){ .count = 0 };
}

void qemu_command_print(const struct qemu_command *command, struct buffer *to)
{
    static const char harmless[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+,./:@%";

    for (size_t i = 0; i < command->count; i++) {
        const char *word = command->words[i];

        buffer_add_text(to, i ? " " : "");
        if (*word && !word[strspn(word, harmless)]) {
            buffer_add_text(to, word);
            continue;
        }
        buffer_add_text(to, "'");
        for (; *word; word++) {
            if (*word == '\'')
                buffer_add_text(to, "'\\''");
            else
                buffer_add(to, word, 1);
        }
        buffer_add_text(to, "'");
    }
    buffer_add_text(to, "\n");
}
