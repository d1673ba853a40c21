/* The table of refusals; no input. */
#include "init/refusal.h"

#define REFUSAL_STATUSES 200

static const struct {
    const char *code;
    const char *meaning;
} refusals[] = {
#define X(name, code, meaning) [REFUSAL_##name] = { code, meaning },
    REFUSALS(X)
#undef X
};

const char *refusal_code(enum refusal refusal)
{
    return refusals[refusal].code;
}

int refusal_status(enum refusal refusal)
{
    return REFUSAL_STATUSES + (int)refusal;
}

const char *refusal_meaning(enum refusal refusal)
{
    return refusals[refusal].meaning;
}
