/*
 * What udhcpc calls with an event and, in the environment, a lease of the network's. A program of its own: PID 1 needs
 * nothing of it, and only images that use DHCP have it. Exit: 0; 1 refused; 2 wrong use, or a refusal that could not be
 * written.
 */
#include <unistd.h>

#include "init/dhcp.h"

int main(int argc, char **argv)
{
    return argc == 2 ? dhcp_handle(argv[1], environ) : 2;
}
