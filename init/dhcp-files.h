/* Between the two processes of dhcp.h: what the handler writes and PID 1 looks for. */
#pragma once

#define DHCP_FOLDER "/run/postern/dhcp"
#define DHCP_LEASE DHCP_FOLDER "/lease"
#define DHCP_REFUSED DHCP_FOLDER "/refused"
#define DHCP_REFUSED_MAX_BYTES 512u
