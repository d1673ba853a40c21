/*
 * A plugin for QEMU's emulator, not part of the product: counts the instructions that a guest of one processor
 * executes, also those of its kernel, and none while it idles. Programs in the guest carry marks
 * (tests/bench/mark.h): what lies between a mark and its leaving is counted by itself, the rest from the first to
 * MARK_EXEC under MARK_FIRST, and what was executed before the first of all marks under 0.
 *
 * -plugin count.so,out=FILE[,profile=FILE]. At the end FILE has lines "MARK COUNT"; the profile "MARK ADDRESS COUNT",
 * how many instructions were executed from that block of a program on until the next one: its own, and what the
 * kernel did for it.
 *
 * Debian has no header for the plugin interface: what is used of it (QEMU 10.0, qemu-plugin.h, version 4) is declared
 * here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/mark.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
struct qemu_info;
typedef struct {
    struct qemu_plugin_scoreboard *score;
    size_t offset;
} qemu_plugin_u64;

int qemu_plugin_version = 4;
int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned vcpu, void *data), int flags,
                                            void *data);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, int op, qemu_plugin_u64 entry,
                                                         uint64_t add);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned vcpu, void *data), int flags,
                                          void *data);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned vcpu);

#define BEFORE_FIRST 0 /* in the place of a mark: all that was executed before the first program that has one */
#define INLINE_ADD 0
#define NO_REGISTERS 0
#define MAX_DEPTH 8
#define MAX_BLOCKS (1u << 20)
#define END_OF_PROGRAMS (UINT64_C(1) << 47)

static struct qemu_plugin_scoreboard *executed;
static const char *out_path, *profile_path;
static uint64_t sums[MARK_KINDS], since;
static int within[MAX_DEPTH], depth;
static bool running, ended;

/* Blocks of programs, the kernel's not. */
static uint64_t addresses[MAX_BLOCKS], charged[MARK_KINDS][MAX_BLOCKS], charged_until;
static size_t blocks = 1, last_block;

static uint64_t executed_so_far(void)
{
    return qemu_plugin_u64_get((qemu_plugin_u64){ executed, 0 }, 0);
}

static int kind_now(void)
{
    return depth ? within[depth - 1] : MARK_FIRST;
}

static void charge(void)
{
    uint64_t now = executed_so_far();

    charged[kind_now()][last_block] += running ? now - charged_until : 0;
    charged_until = now;
}

static void at_block(unsigned vcpu, void *data)
{
    (void)vcpu;
    charge();
    last_block = (size_t)(intptr_t)data;
}

static void at_mark(unsigned vcpu, void *data)
{
    int mark = (int)(intptr_t)data;
    uint64_t now = executed_so_far();

    (void)vcpu;
    charge();
    if (running)
        sums[kind_now()] += now - since;
    since = now;
    if (mark == MARK_FIRST && !sums[BEFORE_FIRST])
        sums[BEFORE_FIRST] = now;
    if (mark == MARK_FIRST && !ended)
        running = true;
    else if (mark == MARK_EXEC) {
        running = false;
        ended = true; /* the workload begins with a program's first mark */
    } else if (mark == MARK_LEAVE)
        depth -= depth > 0;
    else if (depth < MAX_DEPTH)
        within[depth++] = mark;
}

static void at_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
    static const uint8_t sign[] = { 0x0f, 0x1f, 0x80, 'P', 'S', 'T' };
    size_t size = qemu_plugin_tb_n_insns(tb);

    (void)id;
    if (profile_path && blocks < MAX_BLOCKS && qemu_plugin_tb_vaddr(tb) < END_OF_PROGRAMS) {
        addresses[blocks] = qemu_plugin_tb_vaddr(tb);
        qemu_plugin_register_vcpu_tb_exec_cb(tb, at_block, NO_REGISTERS, (void *)(intptr_t)blocks++);
    }
    for (size_t i = 0; i < size; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint8_t bytes[sizeof(sign) + 1];

        qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, INLINE_ADD, (qemu_plugin_u64){ executed, 0 }, 1);
        if (qemu_plugin_insn_size(insn) == sizeof(bytes) &&
            qemu_plugin_insn_data(insn, bytes, sizeof(bytes)) == sizeof(bytes) &&
            memcmp(bytes, sign, sizeof(sign)) == 0 && bytes[sizeof(sign)] < MARK_KINDS)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, NO_REGISTERS, (void *)(intptr_t)bytes[sizeof(sign)]);
    }
}

static void at_end(uint64_t id, void *data)
{
    FILE *out = fopen(out_path, "w");

    (void)id;
    (void)data;
    for (int i = 0; out && i < MARK_KINDS; i++)
        (void)fprintf(out, "%d %llu\n", i, (unsigned long long)sums[i]);
    if (out)
        (void)fclose(out);
    out = profile_path ? fopen(profile_path, "w") : NULL;
    for (int kind = 0; out && kind < MARK_KINDS; kind++)
        for (size_t i = 0; i < blocks; i++)
            if (charged[kind][i])
                (void)fprintf(out, "%d %llx %llu\n", kind, (unsigned long long)addresses[i],
                              (unsigned long long)charged[kind][i]);
    if (out)
        (void)fclose(out);
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out_path = strdup(argv[i] + 4);
        else if (strncmp(argv[i], "profile=", 8) == 0)
            profile_path = strdup(argv[i] + 8);
    }
    if (!out_path)
        return -1;
    executed = qemu_plugin_scoreboard_new(sizeof(uint64_t));
    qemu_plugin_register_vcpu_tb_trans_cb(id, at_translation);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
