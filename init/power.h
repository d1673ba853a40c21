/* The end of the machine. */
#pragma once

/* Writes what is dirty, at most for some seconds, and powers off. Never returns, whatever the kernel answers. */
void power_off(void) __attribute__((noreturn));
