/* Between the two processes of dhcp.h: what the handler writes and PID 1 looks for, and what PID 1 tells it. */
#pragma once

#define DHCP_FOLDER "/run/postern/dhcp"
#define DHCP_LEASE DHCP_FOLDER "/lease"
#define DHCP_REFUSED DHCP_FOLDER "/refused"
#define DHCP_REFUSED_MAX_BYTES 512u

/* A word for the handler that no server can set: the MTU of the configuration, which comes before a lease's. */
#define DHCP_MEASURED_MTU "measured_mtu"
