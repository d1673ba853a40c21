/*
 * IPv6 by the kernel's own reading of router advertisements (RFC 4861, 4862). Whoever is on the link can send them.
 */
#pragma once

#include "base/base.h"

/* Whether the interface has an address beyond the link, in use, and a default route. */
bool router_has_answered(const char *interface);
