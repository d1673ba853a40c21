/*
 * The power button: how a host asks a guest to stop (ACPI, through the kernel's `button` driver and generic netlink).
 */
#pragma once

#include "base/base.h"

/* A descriptor that becomes readable with events; -1 where the kernel has none, which is no error. */
int button_open(void);

/* Reads what is there; whether one of the events was the power button. */
bool button_pressed(int fd);
