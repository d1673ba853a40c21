/*
 * postern launch: boots an image under QEMU as a row of its manifest says, on an SNP host or with a software secure
 * processor, and tells how the boot went. The digest that the latter reports is computed from the very files that QEMU
 * gets.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/child.h"
#include "cli/guest.h"
#include "cli/image.h"
#include "cli/inputs.h"
#include "cli/launch-options.h"
#include "cli/launch-psp.h"
#include "cli/launch-row.h"
#include "cli/libvirt.h"
#include "cli/qemu.h"
#include "measure/id-block.h"

#define PSP_GRACE_MS 2000u

struct launch {
    /* from the command line */
    const char *directory, *firmware, *kernel, *initrd, *append, *root;
    const char *accelerator, *policy, *host_data, *console_file, *runtime_dir, *monitor, *id_blocks;
    const char *format, *name, *at;
    struct launch_options options;
    uint64_t features;
    bool print, interactive, until_workload;
    struct option_list forwards;
    /* made from it */
    struct image image;
    struct inputs_measured measured;
    struct launch_id id;
    char *moved[4]; /* --at: the image's paths on another host */
    struct qemu_hardware hardware;
    uint8_t host_data_bytes[QEMU_HOST_DATA_BYTES];
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
    inputs.vcpus = l->options.vcpus;
    inputs.vcpu_type = l->options.vcpu_type;
    inputs.features = l->features;
    return inputs_measure(&inputs, &l->measured, why);
}

static bool on_hardware(const struct launch *l)
{
    return strcmp(l->options.psp, "hardware") == 0;
}

/* Whether QEMU gets other files than the image's, as developers and tests want it. */
static bool is_changed(const struct launch *l)
{
    return l->firmware != l->image.firmware || l->kernel != l->image.kernel || l->initrd != l->image.initrd ||
           l->append != l->image.cmdline;
}

/* The launch is one that was published. An image without a manifest can be tried on a software processor only. */
static int check_row(const struct launch *l, struct reason *why)
{
    const struct launch_wish wish = { .vcpus = l->options.vcpus,
                                      .vcpu_type = l->options.vcpu_type,
                                      .features = l->features };
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    int r = launch_row_find(l->directory, &wish, digest, why);

    if (r == -ENOENT && !on_hardware(l))
        return 0;
    if (r < 0)
        return r;
    if (!is_changed(l) && memcmp(digest, l->measured.digest, LAUNCH_DIGEST_BYTES) != 0)
        return reason_set(why, -EBADMSG, "%s: its files do not give the digest of its manifest's row; postern audit "
                          "says which differs", l->directory);
    return 0;
}

/* What the hardware gets besides: policy, host data and the row's ID block. */
static int prepare_hardware(struct launch *l, struct reason *why)
{
    CLEANUP_FREE char *path = NULL;
    int r = 0;

    l->hardware = (struct qemu_hardware){ .policy = ID_POLICY_DEFAULT };
    qemu_host_bits(&l->hardware.c_bit, &l->hardware.reduced_bits);
    if (l->policy && command_parse_u64(l->policy, &l->hardware.policy) < 0)
        return reason_set(why, -EINVAL, "--policy: \"%s\" is no number", l->policy);
    r = id_policy_check(l->hardware.policy, why);
    if (r < 0)
        return r;
    if (l->host_data) {
        if (hex_decode(l->host_data, strlen(l->host_data), l->host_data_bytes, QEMU_HOST_DATA_BYTES) < 0)
            return reason_set(why, -EINVAL, "--host-data: \"%s\", expected 64 hexadecimal digits", l->host_data);
        l->hardware.host_data = l->host_data_bytes;
    }
    if (!l->id_blocks && asprintf(&path, "%s/id-blocks.jsonl", l->directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (!l->id_blocks && access(path, F_OK) < 0)
        return 0;
    r = launch_id_find(l->id_blocks ? l->id_blocks : path, l->measured.digest, l->hardware.policy, &l->id, why);
    l->hardware.id_block = l->id.block;
    l->hardware.id_auth = l->id.auth;
    l->hardware.has_author = l->id.has_author;
    return r;
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

static int start_psp(struct launch *l, struct reason *why)
{
    const struct launch_psp psp = { .program = l->options.psp_program, .directory = l->options.psp_dir,
                                    .policy = l->policy, .host_data = l->host_data,
                                    .socket_path = l->socket_path, .digest = l->measured.digest };

    return on_hardware(l) ? 0 : launch_psp_start(&psp, &l->psp_pid, why);
}

/* The printed launch is for a host that keeps the image elsewhere. */
static int move_image(struct launch *l, struct reason *why)
{
    const struct image *image = &l->image;
    const char **paths[] = { &l->firmware, &l->kernel, &l->initrd, &l->root };
    const char *names[] = { "firmware.fd", "kernel", "initrd", "root.img" };
    const char *own[] = { image->firmware, image->kernel, image->initrd, image->root };

    if (l->at[0] != '/')
        return reason_set(why, -EINVAL, "--at: \"%s\" is no absolute path", l->at);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (*paths[i] != own[i])
            continue;
        if (asprintf(&l->moved[i], "%s/%s", l->at, names[i]) < 0) {
            l->moved[i] = NULL;
            return -ENOMEM;
        }
        *paths[i] = l->moved[i];
    }
    return 0;
}

static struct qemu_inputs qemu_inputs_of(const struct launch *l, int monitor_fd)
{
    const char *accelerator = on_hardware(l) ? "kvm" : l->accelerator ? l->accelerator : qemu_accelerator();

    return (struct qemu_inputs){ .program = l->options.qemu,
                                 .accelerator = accelerator,
                                 .vcpu_type = l->options.vcpu_type,
                                 .cpu_signature = l->measured.cpu_signature,
                                 .vcpus = l->options.vcpus,
                                 .memory_mib = l->options.memory_mib,
                                 .firmware = l->firmware,
                                 .kernel = l->kernel,
                                 .initrd = l->initrd,
                                 .append = l->append,
                                 .root = l->root,
                                 .hardware = on_hardware(l) ? &l->hardware : NULL,
                                 .hashes = l->hashes_path,
                                 .hashes_gpa = l->measured.firmware.tables.hash_table_gpa,
                                 .psp_socket = l->socket_path,
                                 .monitor_fd = monitor_fd,
                                 .extra_monitor = l->monitor,
                                 .disks = &l->options.disks,
                                 .forwards = &l->forwards };
}

static int start_qemu(struct launch *l, struct guest *guest, struct reason *why)
{
    CLEANUP(qemu_command_free) struct qemu_command command = { .count = 0 };
    CLEANUP_FD int console_write = -1;
    CLEANUP_FD int monitor_theirs = -1;
    struct qemu_inputs inputs;
    int console[2], monitor[2], r;
    struct child_start start = { .words = command.words, .interactive = l->interactive };

    if (pipe2(console, O_CLOEXEC) < 0)
        return -errno;
    guest->console = console[0];
    console_write = console[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, monitor) < 0)
        return -errno;
    guest->monitor = monitor[0];
    monitor_theirs = monitor[1];
    inputs = qemu_inputs_of(l, monitor_theirs);
    r = qemu_command_make(&inputs, &command, why);
    if (r < 0)
        return r;
    start.output = console_write;
    start.keep[0] = monitor_theirs;
    start.keep[1] = -1;
    guest->started_us = clock_boot_us();
    return child_run(&start, &guest->qemu, why);
}

static void print_stage(const struct boot_record_stage *stage)
{
    log_info("%7.1f s  %-10s %9.1f ms%s", log_elapsed(), stage->name, (double)stage->us / 1000,
             stage->refused ? "  refused" : "");
}

/* The directory's own name, which may end in a slash. */
static void domain_name(const struct launch *l, char ret_name[64])
{
    size_t size = strlen(l->directory), begin;

    while (size > 1 && l->directory[size - 1] == '/')
        size--;
    for (begin = size; begin && l->directory[begin - 1] != '/'; begin--)
        ;
    (void)snprintf(ret_name, 64, "%.*s", (int)(size - begin), l->directory + begin);
}

static int print_launch(struct launch *l, struct reason *why)
{
    struct qemu_inputs inputs;
    CLEANUP(qemu_command_free) struct qemu_command command = { .count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char name[64];
    int r = l->at ? move_image(l, why) : 0;

    if (r < 0)
        return r;
    inputs = qemu_inputs_of(l, -1);
    if (l->format && strcmp(l->format, "libvirt") == 0) {
        const struct libvirt_inputs domain = { .qemu = &inputs, .name = l->name ? l->name : name,
                                               .console_file = l->console_file };

        domain_name(l, name);
        r = libvirt_domain_make(&domain, &text, why);
    } else {
        r = qemu_command_make(&inputs, &command, why);
        if (r == 0)
            qemu_command_print(&command, &text);
    }
    if (r == 0)
        r = buffer_error(&text);
    if (r == 0)
        fputs(buffer_text(&text), stdout);
    return r;
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
    guest.boot_timeout_s = (unsigned)l->options.boot_timeout_s;
    guest.shown = l->interactive;
    guest.stops_at_workload = l->until_workload;
    r = measure(l, &why);
    if (r == 0)
        r = check_row(l, &why);
    if (r == 0)
        r = on_hardware(l) ? prepare_hardware(l, &why) : make_runtime(l, &why);
    if (r == 0 && l->print) {
        r = print_launch(l, &why);
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
    launch_id_free(&l->id);
    for (size_t i = 0; i < ARRAY_SIZE(l->moved); i++)
        free(l->moved[i]);
    inputs_free(&l->measured);
    image_free(&l->image);
    return r < 0 && code == COMMAND_OK ? COMMAND_MISUSE : code;
}

static bool is_one_of(const char *word, const char *one, const char *other)
{
    return !word || strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static int check(const struct launch *l)
{
    if (!l->directory)
        log_error("which image? usage: postern launch DIR --psp hardware, or --psp software --psp-dir DIR");
    else if (!l->options.psp || !is_one_of(l->options.psp, "software", "hardware"))
        log_error("--psp: \"%s\", expected software or hardware", l->options.psp ? l->options.psp : "");
    else if (!on_hardware(l) && !l->options.psp_dir)
        log_error("--psp-dir is missing: the keys that `postern-psp init` made");
    else if (!on_hardware(l) && l->id_blocks)
        log_error("--id-blocks goes with --psp hardware: the software processor takes none");
    else if (on_hardware(l) && l->accelerator && strcmp(l->accelerator, "kvm") != 0)
        log_error("--accel %s with --psp hardware: an SNP guest runs with kvm only", l->accelerator);
    else if (on_hardware(l) && !l->print && access("/dev/sev", F_OK) < 0)
        log_error("there is no /dev/sev: this machine starts no SNP guests; postern host says what it lacks");
    else if (!is_one_of(l->accelerator, "kvm", "tcg"))
        log_error("--accel: \"%s\", expected kvm or tcg", l->accelerator);
    else if (!is_one_of(l->format, "qemu", "libvirt"))
        log_error("--format: \"%s\", expected qemu or libvirt", l->format);
    else if (l->features != SEV_FEATURE_SNP_ACTIVE)
        log_error("--guest-features 0x%llx: QEMU launches with 0x1", (unsigned long long)l->features);
    else if (l->print && !on_hardware(l) && !l->runtime_dir)
        log_error("--print needs --runtime-dir: the printed command uses files that are left there");
    else
        return 0;
    return -EINVAL;
}

static int run(const struct command *command, int argc, char **argv)
{
    static struct launch l = { .options = LAUNCH_OPTIONS_DEFAULT, .features = SEV_FEATURE_SNP_ACTIVE };
    const struct option_row rows[] = {
        LAUNCH_OPTION_ROWS(l.options),
        OPTION("forward", "HOST:GUEST", "TCP port of 127.0.0.1 to the guest; several times", OPTION_LIST, &l.forwards),
        OPTION("guest-features", "N", "SEV_FEATURES of the row (default 0x1)", OPTION_U64, &l.features),
        OPTION("id-blocks", "FILE", "signed ID blocks (default: the image's id-blocks.jsonl)", OPTION_TEXT,
               &l.id_blocks),
        OPTION("policy", "N", "guest policy in the report (default 0x30000)", OPTION_TEXT, &l.policy),
        OPTION("host-data", "HEX", "32 bytes for the report", OPTION_TEXT, &l.host_data),
        OPTION("kernel", "FILE", "instead of the image's", OPTION_TEXT, &l.kernel),
        OPTION("initrd", "FILE", "instead of the image's", OPTION_TEXT, &l.initrd),
        OPTION("append", "TEXT", "command line instead of the image's", OPTION_TEXT, &l.append, .may_be_empty = true),
        OPTION("firmware", "FILE", "instead of the image's", OPTION_TEXT, &l.firmware),
        OPTION("root", "FILE", "root disk instead of the image's", OPTION_TEXT, &l.root),
        OPTION("console", "FILE", "keeps all that the guest's console says", OPTION_TEXT, &l.console_file),
        OPTION("interactive", NULL, "standard input and output are the guest's console", OPTION_FLAG, &l.interactive),
        OPTION("until-workload", NULL, "stops the guest once its workload runs", OPTION_FLAG, &l.until_workload),
        OPTION("accel", "kvm|tcg", "default: kvm where the processor has it", OPTION_TEXT, &l.accelerator),
        OPTION("qmp", "SOCKET", "a further QMP monitor", OPTION_TEXT, &l.monitor),
        OPTION("runtime-dir", "DIR", "for socket and hash table (default: a new one)", OPTION_TEXT, &l.runtime_dir),
        OPTION("print", NULL, "prints QEMU's command line and starts nothing", OPTION_FLAG, &l.print),
        OPTION("format", "qemu|libvirt", "what is printed: libvirt's domain XML instead", OPTION_TEXT, &l.format),
        OPTION("at", "DIR", "where the host that is printed for keeps the image", OPTION_TEXT, &l.at),
        OPTION("name", "TEXT", "of the domain (default: the image's folder)", OPTION_TEXT, &l.name),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &l.directory, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    l.print |= l.format != NULL;
    return check(&l) < 0 ? COMMAND_MISUSE : launch(&l);
}

const struct command verb_launch = {
    .program = "postern",
    .name = "launch",
    .summary = "Boots an image as a row of its manifest says and tells how the boot went.",
    .usage = "DIR (--psp hardware | --psp software --psp-dir DIR) [OPTION…]",
    .example = "  postern launch build/image/app --psp software --psp-dir psp --vcpus 2 \\\n"
               "      --disk data=data.img --forward 8080:8080\n",
    .run = run,
};
