/*
 * The options that say what is launched and by which processor: the same words for every verb that boots a release.
 * Their author is the user.
 */
#pragma once

#include "base/base.h"
#include "base/command.h"
#include "measure/measure.h"

struct launch_options {
    const char *psp, *psp_dir, *psp_program, *qemu, *vcpu_type;
    uint64_t vcpus, memory_mib, boot_timeout_s;
    struct option_list disks;
};

#define LAUNCH_OPTIONS_DEFAULT                                                                                         \
    { .qemu = "qemu-system-x86_64", .vcpu_type = "EPYC-v4", .vcpus = 1, .memory_mib = 512, .boot_timeout_s = 180 }

/* Their rows of an option table; `to` is a struct launch_options. */
#define LAUNCH_OPTION_ROWS(to)                                                                                         \
    OPTION("psp", "hardware|software", "the secure processor: this host's, or postern-psp", OPTION_TEXT, &(to).psp),   \
    OPTION("psp-dir", "DIR", "postern-psp's keys, made by `postern-psp init`", OPTION_TEXT, &(to).psp_dir),            \
    OPTION("psp-program", "FILE", "postern-psp (default: beside postern)", OPTION_TEXT, &(to).psp_program),            \
    OPTION("vcpus", "N", "virtual CPUs, as in a row (default 1)", OPTION_U64, &(to).vcpus, .min = 1,                   \
           .max = VCPUS_MAX),                                                                                          \
    OPTION("vcpu-type", "NAME", "CPU type, as in a row (default EPYC-v4)", OPTION_TEXT, &(to).vcpu_type),              \
    OPTION("memory", "MIB", "memory (default 512)", OPTION_U64, &(to).memory_mib, .min = 64, .max = 1024 * 1024),      \
    OPTION("disk", "SERIAL=FILE[,ro]", "a further disk; several times", OPTION_LIST, &(to).disks),                     \
    OPTION("boot-timeout", "SECONDS", "until the workload runs (default 180)", OPTION_U64, &(to).boot_timeout_s,       \
           .min = 1, .max = 86400),                                                                                    \
    OPTION("qemu", "PROGRAM", "default: qemu-system-x86_64", OPTION_TEXT, &(to).qemu)
