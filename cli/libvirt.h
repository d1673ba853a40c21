/*
 * The launch as a libvirt domain: what QEMU's command line says, in libvirt's words (formatdomain, launch security
 * sev-snp since 10.5). `inputs` as for qemu_command_make(); the socket of a software processor is the user's to serve.
 */
#pragma once

#include "cli/qemu.h"

struct libvirt_inputs {
    const struct qemu_inputs *qemu;
    const char *name;         /* of the domain */
    const char *console_file; /* where the console goes; NULL: a pty */
};

/* Appends the XML. Errors: -EINVAL for a disk or forward that is not of its form; -errno of paths. */
int libvirt_domain_make(const struct libvirt_inputs *inputs, struct buffer *to, struct reason *why) MUST_CHECK;
