/* Names of outcomes, for programs that print them; a guest has reason codes. */
#include "release/client.h"

const char *release_outcome_name(enum release_outcome outcome)
{
    static const char *const names[] = {
        [RELEASE_GRANTED] = "granted",   [RELEASE_TRANSPORT] = "transport", [RELEASE_BUSY] = "busy",
        [RELEASE_DENIED] = "denied",     [RELEASE_BROKER_KEY] = "broker key", [RELEASE_PROTOCOL] = "protocol",
        [RELEASE_RECORD] = "record",     [RELEASE_DEVICE] = "device",
        [RELEASE_MISCONFIGURED] = "misconfigured",
    };

    return names[outcome];
}
