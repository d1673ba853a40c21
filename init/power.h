/* The end of the machine. */
#pragma once

#include "init/config.h"

/*
 * Unmounts the volumes, last one first, and removes their mappings, so that keys leave the kernel. What cannot be
 * unmounted in time is detached, and its key goes with the machine's memory.
 */
void power_close_volumes(const struct config *config);

/* Writes what is dirty, at most for some seconds, and powers off. Never returns, whatever the kernel answers. */
void power_off(void) __attribute__((noreturn));
