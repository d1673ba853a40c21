/*
 * postern launch: boots an image under QEMU with a software secure processor, and tells how the boot went. The digest
 * that the processor reports is computed from the very files that QEMU gets.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/child.h"
#include "cli/guest.h"
#include "cli/image.h"
#include "cli/inputs.h"
#include "cli/qemu.h"

enum launch_exit {
    LAUNCH_CANNOT_START = 2, /* QEMU or postern-psp */
    LAUNCH_REFUSED = 3,      /* postern-init refused */
    LAUNCH_NO_BOOT = 4,      /* the guest never got to the workload, and said nothing */
    LAUNCH_WORKLOAD = 5,     /* the workload ended with an error */
};

#define PSP_GRACE_MS 2000u

struct launch {
    /* from the command line */
    const char *directory, *firmware, *kernel, *initrd, *append, *root;
    const char *psp, *psp_dir, *psp_program, *qemu, *accelerator, *vcpu_type;
    const char *policy, *host_data, *console_file, *runtime_dir, *monitor;
    uint64_t vcpus, memory_mib, boot_timeout_s;
    bool print;
    struct option_list disks, forwards;
    /* made from it */
    struct image image;
    struct inputs_measured measured;
    char directory_made[64]; /* our own, to be removed; empty when the user named one */
    char hashes_path[4096], socket_path[108];
    pid_t psp_pid;
};

static const char *pick(const char *given, const char *of_image)
{
    return given ? given : of_image;
}

static int measure(struct launch *l, struct reason *why)
{
    struct inputs inputs = INPUTS_DEFAULT;
    int r = image_open(l->directory, &l->image, why);

    if (r < 0)
        return r;
    l->firmware = pick(l->firmware, l->image.firmware);
    l->kernel = pick(l->kernel, l->image.kernel);
    l->initrd = pick(l->initrd, l->image.initrd);
    l->append = pick(l->append, l->image.cmdline);
    l->root = pick(l->root, l->image.root);
    inputs.firmware = l->firmware;
    inputs.kernel = l->kernel;
    inputs.initrd = l->initrd;
    inputs.append = l->append;
    inputs.vcpus = l->vcpus;
    inputs.vcpu_type = l->vcpu_type;
    return inputs_measure(&inputs, &l->measured, why);
}

/* A directory for the socket and the hash table: the user's, or one of our own that goes when we go. */
static int make_runtime(struct launch *l, struct reason *why)
{
    uint8_t table[KERNEL_HASHES_BYTES];
    const char *directory = l->runtime_dir;
    int size;

    if (!directory) {
        memcpy(l->directory_made, "/tmp/postern-XXXXXX", sizeof("/tmp/postern-XXXXXX"));
        if (!mkdtemp(l->directory_made)) {
            l->directory_made[0] = '\0';
            return reason_set(why, -errno, "/tmp: no directory can be made: %s", strerror(errno));
        }
        directory = l->directory_made;
    }
    (void)snprintf(l->hashes_path, sizeof(l->hashes_path), "%s/hashes", directory);
    size = snprintf(l->socket_path, sizeof(l->socket_path), "%s/psp", directory);
    if (size < 0 || (size_t)size >= sizeof(l->socket_path))
        return reason_set(why, -ENAMETOOLONG, "--runtime-dir: a socket's path has at most %zu bytes",
                          sizeof(l->socket_path) - 1);
    kernel_hashes_encode(&l->measured.hashes, table);
    return file_write(l->hashes_path, 0600, table, sizeof(table), why);
}

static void remove_runtime(struct launch *l)
{
    if (l->socket_path[0])
        (void)unlink(l->socket_path);
    if (l->directory_made[0]) {
        (void)unlink(l->hashes_path);
        (void)rmdir(l->directory_made);
    }
}

static int listen_at(const char *path, int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return reason_set(why, -errno, "%s: cannot be listened at: %s", path, strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

/* postern-psp beside this program, unless the user named another. */
static void find_psp_program(const struct launch *l, char ret_path[4096])
{
    ssize_t n = readlink("/proc/self/exe", ret_path, 4096 - sizeof("-psp"));

    if (l->psp_program || n <= 0)
        (void)snprintf(ret_path, 4096, "%s", l->psp_program ? l->psp_program : "postern-psp");
    else
        (void)snprintf(ret_path + n, 4096 - (size_t)n, "-psp");
}

/* The processor has looked at its keys and waits for a guest; its own sentence is on standard error otherwise. */
static int wait_for_psp(int ready, struct reason *why)
{
    char said[16];
    ssize_t n;

    do
        n = read(ready, said, sizeof(said));
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : reason_set(why, -ECHILD, "postern-psp could not start");
}

/* The processor listens before QEMU connects: the socket is ours and is handed to it. */
static int start_psp(struct launch *l, struct reason *why)
{
    char program[4096], digest[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], listen_text[16], ready_text[16];
    const char *words[16] = { program,         "serve",      "--dir",     l->psp_dir,   "--measurement", digest,
                              "--listen-fd", listen_text, "--ready-fd", ready_text };
    size_t count = 10;
    CLEANUP_FD int listener = -1;
    CLEANUP_FD int ready_read = -1;
    CLEANUP_FD int ready_write = -1;
    struct child_start start = { .words = words, .output = -1 };
    int ready[2], r = listen_at(l->socket_path, &listener, why);

    if (r < 0)
        return r;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    ready_read = ready[0];
    ready_write = ready[1];
    find_psp_program(l, program);
    hex_encode(l->measured.digest, sizeof(l->measured.digest), digest);
    (void)snprintf(listen_text, sizeof(listen_text), "%d", listener);
    (void)snprintf(ready_text, sizeof(ready_text), "%d", ready_write);
    start.keep[0] = listener;
    start.keep[1] = ready_write;
    if (l->policy) {
        words[count++] = "--policy";
        words[count++] = l->policy;
    }
    if (l->host_data) {
        words[count++] = "--host-data";
        words[count++] = l->host_data;
    }
    r = child_run(&start, &l->psp_pid, why);
    fd_close(&ready_write);
    return r < 0 ? r : wait_for_psp(ready_read, why);
}

static int make_command(const struct launch *l, int monitor_fd, struct qemu_command *ret_command, struct reason *why)
{
    const struct qemu_inputs inputs = { .program = l->qemu,
                                        .accelerator = l->accelerator ? l->accelerator : qemu_accelerator(),
                                        .vcpu_type = l->vcpu_type,
                                        .cpu_signature = l->measured.cpu_signature,
                                        .vcpus = l->vcpus,
                                        .memory_mib = l->memory_mib,
                                        .firmware = l->firmware,
                                        .kernel = l->kernel,
                                        .initrd = l->initrd,
                                        .append = l->append,
                                        .root = l->root,
                                        .hashes = l->hashes_path,
                                        .hashes_gpa = l->measured.firmware.tables.hash_table_gpa,
                                        .psp_socket = l->socket_path,
                                        .monitor_fd = monitor_fd,
                                        .extra_monitor = l->monitor,
                                        .disks = &l->disks,
                                        .forwards = &l->forwards };

    return qemu_command_make(&inputs, ret_command, why);
}

static int start_qemu(struct launch *l, struct guest *guest, struct reason *why)
{
    CLEANUP(qemu_command_free) struct qemu_command command = { .count = 0 };
    CLEANUP_FD int console_write = -1;
    CLEANUP_FD int monitor_theirs = -1;
    int console[2], monitor[2], r;
    struct child_start start = { .words = command.words };

    if (pipe2(console, O_CLOEXEC) < 0)
        return -errno;
    guest->console = console[0];
    console_write = console[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, monitor) < 0)
        return -errno;
    guest->monitor = monitor[0];
    monitor_theirs = monitor[1];
    r = make_command(l, monitor_theirs, &command, why);
    if (r < 0)
        return r;
    start.output = console_write;
    start.keep[0] = monitor_theirs;
    start.keep[1] = -1;
    return child_run(&start, &guest->qemu, why);
}

static void print_stage(const struct boot_record_stage *stage)
{
    log_info("%7.1f s  %-10s %9.1f ms%s", log_elapsed(), stage->name, (double)stage->us / 1000,
             stage->refused ? "  refused" : "");
}

static int print_command(struct launch *l, struct reason *why)
{
    CLEANUP(qemu_command_free) struct qemu_command command = { .count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    int r = make_command(l, -1, &command, why);

    if (r < 0)
        return r;
    qemu_command_print(&command, &text);
    fputs(buffer_text(&text), stdout);
    return 0;
}

/* What the end of QEMU means, in a sentence and an exit code. */
static int verdict(const struct guest *guest)
{
    const struct boot_record *record = &guest->record;

    if (record->refused) {
        log_error("the guest refused to go on: %s: %s%s%s", record->code, record->detail,
                  record->request[0] ? ", request " : "", record->request);
        return LAUNCH_REFUSED;
    }
    if (!record->count && WIFEXITED(guest->wait_status) && WEXITSTATUS(guest->wait_status)) {
        log_error("QEMU ended with status %d; what it said stands above", WEXITSTATUS(guest->wait_status));
        return LAUNCH_CANNOT_START;
    }
    if (!record->handed_off && guest->stop_asked) {
        log_error("stopped before the workload ran");
        return LAUNCH_NO_BOOT;
    }
    if (guest->timed_out && !record->count) {
        log_error("nothing heard from postern-init in %u s: the firmware does not start a kernel, initrd or command "
                  "that is not in its table of hashes", guest->boot_timeout_s);
        return LAUNCH_NO_BOOT;
    }
    if (!record->handed_off) {
        log_error("the guest ended before the workload ran; --console FILE keeps what it said");
        return LAUNCH_NO_BOOT;
    }
    if (record->own_init)
        return COMMAND_OK;
    if (!record->ended) {
        log_error("the guest ended without an orderly stop (QEMU's wait status 0x%x)", (unsigned)guest->wait_status);
        return LAUNCH_WORKLOAD;
    }
    if (record->status != 0 && !(guest->stop_asked && record->status == 128 + SIGTERM)) {
        log_error("the workload ended with status %d", record->status);
        return LAUNCH_WORKLOAD;
    }
    return COMMAND_OK;
}

static int watch(struct launch *l, struct guest *guest, struct reason *why)
{
    CLEANUP_BUFFER struct buffer drawing = BUFFER_EMPTY;
    int r;

    if (l->console_file) {
        guest->console_copy = open(l->console_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (guest->console_copy < 0)
            return reason_set(why, -errno, "%s: cannot be written: %s", l->console_file, strerror(errno));
    }
    r = start_psp(l, why);
    if (r == 0)
        r = start_qemu(l, guest, why);
    if (r == 0)
        r = guest_watch(guest);
    if (r < 0)
        return r;
    boot_record_draw(&guest->record, &drawing);
    fputs(buffer_text(&drawing), stdout);
    (void)fflush(stdout);
    return 0;
}

/* From a checked command line to an exit code. */
static int launch(struct launch *l)
{
    struct guest guest = { .console = -1, .monitor = -1, .console_copy = -1, .on_stage = print_stage };
    struct reason why = { "" };
    sigset_t set;
    int code = COMMAND_MISUSE, r;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)log_elapsed();
    guest.boot_timeout_s = (unsigned)l->boot_timeout_s;
    r = measure(l, &why);
    if (r == 0)
        r = make_runtime(l, &why);
    if (r == 0 && l->print) {
        r = print_command(l, &why);
        code = COMMAND_OK;
    } else if (r == 0) {
        r = watch(l, &guest, &why);
        code = r < 0 ? LAUNCH_CANNOT_START : verdict(&guest);
    }
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    child_end(&guest.qemu, 0);
    child_end(&l->psp_pid, PSP_GRACE_MS);
    fd_close(&guest.console);
    fd_close(&guest.monitor);
    fd_close(&guest.console_copy);
    if (!l->print)
        remove_runtime(l);
    inputs_free(&l->measured);
    image_free(&l->image);
    return r < 0 && code == COMMAND_OK ? COMMAND_MISUSE : code;
}

static int check(const struct launch *l)
{
    if (!l->directory)
        log_error("which image? usage: postern launch DIR --psp software --psp-dir DIR");
    else if (!l->psp || strcmp(l->psp, "software") != 0)
        log_error("--psp: \"%s\", expected software", l->psp ? l->psp : "");
    else if (!l->psp_dir)
        log_error("--psp-dir is missing: the keys that `postern-psp init` made");
    else if (l->accelerator && strcmp(l->accelerator, "kvm") != 0 && strcmp(l->accelerator, "tcg") != 0)
        log_error("--accel: \"%s\", expected kvm or tcg", l->accelerator);
    else if (l->print && !l->runtime_dir)
        log_error("--print needs --runtime-dir: the printed command uses files that are left there");
    else
        return 0;
    return -EINVAL;
}

static int run(const struct command *command, int argc, char **argv)
{
    static struct launch l = { .qemu = "qemu-system-x86_64", .vcpu_type = "EPYC-v4", .vcpus = 1, .memory_mib = 512,
                               .boot_timeout_s = 180 };
    const struct option_row rows[] = {
        OPTION("psp", "software", "the secure processor: postern-psp", OPTION_TEXT, &l.psp),
        OPTION("psp-dir", "DIR", "its keys, made by `postern-psp init`", OPTION_TEXT, &l.psp_dir),
        OPTION("psp-program", "FILE", "postern-psp (default: beside postern)", OPTION_TEXT, &l.psp_program),
        OPTION("vcpus", "N", "virtual CPUs (default 1)", OPTION_U64, &l.vcpus, .min = 1, .max = VCPUS_MAX),
        OPTION("vcpu-type", "NAME", "CPU type (default EPYC-v4)", OPTION_TEXT, &l.vcpu_type),
        OPTION("memory", "MIB", "memory (default 512)", OPTION_U64, &l.memory_mib, .min = 64, .max = 1024 * 1024),
        OPTION("disk", "SERIAL=FILE[,ro]", "a further disk; several times", OPTION_LIST, &l.disks),
        OPTION("forward", "HOST:GUEST", "TCP port of 127.0.0.1 to the guest; several times", OPTION_LIST, &l.forwards),
        OPTION("policy", "N", "guest policy in the report (default 0x30000)", OPTION_TEXT, &l.policy),
        OPTION("host-data", "HEX", "32 bytes for the report", OPTION_TEXT, &l.host_data),
        OPTION("kernel", "FILE", "instead of the image's", OPTION_TEXT, &l.kernel),
        OPTION("initrd", "FILE", "instead of the image's", OPTION_TEXT, &l.initrd),
        OPTION("append", "TEXT", "command line instead of the image's", OPTION_TEXT, &l.append, .may_be_empty = true),
        OPTION("firmware", "FILE", "instead of the image's", OPTION_TEXT, &l.firmware),
        OPTION("root", "FILE", "root disk instead of the image's", OPTION_TEXT, &l.root),
        OPTION("console", "FILE", "keeps all that the guest's console says", OPTION_TEXT, &l.console_file),
        OPTION("boot-timeout", "SECONDS", "until the workload runs (default 180)", OPTION_U64, &l.boot_timeout_s,
               .min = 1, .max = 86400),
        OPTION("accel", "kvm|tcg", "default: kvm where the processor has it", OPTION_TEXT, &l.accelerator),
        OPTION("qemu", "PROGRAM", "default: qemu-system-x86_64", OPTION_TEXT, &l.qemu),
        OPTION("qmp", "SOCKET", "a further QMP monitor", OPTION_TEXT, &l.monitor),
        OPTION("runtime-dir", "DIR", "for socket and hash table (default: a new one)", OPTION_TEXT, &l.runtime_dir),
        OPTION("print", NULL, "prints QEMU's command line and starts nothing", OPTION_FLAG, &l.print),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &l.directory, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    return check(&l) < 0 ? COMMAND_MISUSE : launch(&l);
}

const struct command verb_launch = {
    .program = "postern",
    .name = "launch",
    .summary = "Boots an image with a software secure processor and tells how the boot went.",
    .usage = "DIR --psp software --psp-dir DIR [OPTION…]",
    .example = "  postern launch build/image/app --psp software --psp-dir psp --vcpus 2 \\\n"
               "      --disk data=data.img --forward 8080:8080\n",
    .run = run,
};
