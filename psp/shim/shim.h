/*
 * psp/shim/: the guest's side of the software processor: /dev/sev-guest where there is no such hardware, and
 * configfs-tsm where the overlay asks for it (psp/tsm-module/).
 *
 * The program is /init of a test overlay that is concatenated to an untouched production initrd. As PID 1 it starts a
 * process that serves the device through CUSE and forwards requests over the second serial line to postern-psp, waits
 * until the device answers, puts everything else back as it found it, and becomes the production init. Nothing of it is
 * in a production initrd, and nothing there knows of it.
 *
 * Programs in the guest control the requests, the host controls the answers.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "psp/wire.h"

/*
 * The second serial line, raw, for this process and its descriptor alone. Errors: -errno, named in `why`.
 */
int line_open(int *ret_fd, struct reason *why) MUST_CHECK;

/*
 * One request at a time, whichever thread it comes from: sends a request and waits for its answer, some seconds,
 * several times. What is on the line besides is skipped.
 * Errors: -ETIMEDOUT when no answer came, -EBADMSG for an answer that is none, -EPROTO when the other end did not
 * understand, -errno.
 */
int line_exchange(int fd, const struct psp_request *request, struct psp_answer *ret_answer) MUST_CHECK;

/*
 * Serves /dev/sev-guest with requests going to `line_fd`; returns only when that has come to an end. Errors: -EIO with
 * the sentence in `why`.
 */
int device_serve(int line_fd, struct reason *why) MUST_CHECK;

#define TSM_DEVICE "/dev/postern-psp-tsm" /* of the driver for configfs-tsm */

/*
 * Serves configfs-tsm, whose driver is there, from a thread of its own. Errors: -errno, named in `why`.
 */
int tsm_start(int line_fd, struct reason *why) MUST_CHECK;
