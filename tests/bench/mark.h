/*
 * Marks for count-plugin.c: instructions that do nothing, with a number in them, that QEMU's plugin sees executed. For
 * programs of tests/bench alone.
 */
#pragma once

/* nopl DISPLACEMENT(%rax) with "PST" and the number as displacement; nothing is read. */
#define MARK(number) __asm__ volatile("nopl %c0(%%rax)" : : "i"(0x00545350 | (number) << 24) : "memory")

enum mark {
    MARK_FIRST = 1, /* PID 1's first instruction */
    MARK_EXEC,      /* the workload is about to be executed: the end */
    MARK_LEAVE,     /* back from what began last */
    MARK_MODULES,   /* what follows is counted by itself, until its leaving */
    MARK_PROCESSOR,
    MARK_RELEASE,
    MARK_STAGE, /* the same, but these count as well: a stage by its number, "start" being 0 */
    MARK_KINDS = MARK_STAGE + 11,
};
