/*
 * The time stamp counter at a program's first instruction: linked with -e first_stamp, it starts there. rdx has to be 0
 * for _start, as the kernel leaves it.
 */
#pragma once

#include <stdint.h>

extern uint32_t first_stamp_low, first_stamp_high;
uint32_t first_stamp_low, first_stamp_high;

__asm__(".globl first_stamp\n"
        "first_stamp:\n"
        "    nopl 0x01545350(%rax)\n" /* MARK_FIRST of mark.h */
        "    rdtsc\n"
        "    mov %eax, first_stamp_low(%rip)\n"
        "    mov %edx, first_stamp_high(%rip)\n"
        "    xor %edx, %edx\n"
        "    jmp _start\n");

static inline uint64_t first_stamp_ns(void)
{
    return (uint64_t)first_stamp_high << 32 | first_stamp_low;
}
