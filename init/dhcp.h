/*
 * DHCPv4 by udhcpc, a busybox that has this applet alone, with a handler that is a program of ours (init/dhcp/): no
 * shell, and nothing of what a server says reaches PID 1 but that there is a lease, or why there is none.
 *
 * udhcpc and handler run as a user of their own with the capabilities to set addresses, in a mount namespace of their
 * own, in which the handler stays when the initrd has been deleted: leases are renewed for as long as the workload
 * runs.
 */
#pragma once

#include <sys/types.h>

#include "base/reason.h"
#include "init/config.h"

/* What the handler is started as; in udhcpc's mount namespace. */
#define DHCP_HANDLER "/run/postern/dhcp/handler"
/* Where the handler leaves the name servers that the lease offers. */
#define DHCP_RESOLVERS "/run/postern/dhcp/resolv.conf"

/* Starts udhcpc on the network's interface. Errors: -errno with the sentence in `why`. */
int dhcp_start(const struct config_network *network, pid_t *ret_pid, struct reason *why) MUST_CHECK;

/* Whether the interface has been set up; if not, and a lease was refused, why. */
bool dhcp_has_lease(struct reason *ret_refused);

/*
 * The handler: what udhcpc calls with `event` (bound, renew, deconfig, …) and the lease as words of the environment.
 * Returns its exit status.
 */
int dhcp_handle(const char *event, char *const words[]);
