/* Injected failures; the words are the tester's own. */
#include "psp/inject.h"

#include <errno.h>
#include <string.h>

#include "base/command.h"
#include "base/cursor.h"

static const struct {
    const char *name;
    enum injection_kind kind;
    bool has_value;
} kinds[] = {
    { "none", INJECT_NOTHING, false },      { "firmware", INJECT_FIRMWARE, true },
    { "host", INJECT_HOST, true },          { "status", INJECT_STATUS, true },
    { "report-size", INJECT_REPORT_SIZE, true }, { "other-data", INJECT_OTHER_DATA, false },
};

static int number(const char *text, size_t size, uint32_t *ret_number)
{
    char copy[16] = "";
    uint64_t value;

    if (size >= sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, size);
    if (command_parse_u64(copy, &value) < 0 || value > UINT32_MAX)
        return -EINVAL;
    *ret_number = (uint32_t)value;
    return 0;
}

/* One of them, up to its comma. */
static int parse_one(const char *word, size_t size, struct injection *ret_injection, uint32_t *ret_times)
{
    size_t name_size = strcspn(word, "=*,"), value_size = 0, i = 0;
    const char *rest = word + name_size, *end = word + size;
    bool has_value = *rest == '=';

    while (i < ARRAY_SIZE(kinds) && (strlen(kinds[i].name) != name_size || memcmp(kinds[i].name, word, name_size) != 0))
        i++;
    if (i == ARRAY_SIZE(kinds) || kinds[i].has_value != has_value)
        return -EINVAL;
    *ret_injection = (struct injection){ kinds[i].kind, 0 };
    *ret_times = 1;
    if (has_value) {
        value_size = strcspn(rest + 1, "*,");
        if (number(rest + 1, value_size, &ret_injection->value) < 0)
            return -EINVAL;
        rest += 1 + value_size;
    }
    if (rest < end && (*rest != '*' || number(rest + 1, (size_t)(end - rest - 1), ret_times) < 0))
        return -EINVAL;
    return 0;
}

int injection_parse(const char *words, struct injection list[INJECTION_MAX], size_t *count, struct reason *why)
{
    for (const char *word = words;; word++) {
        size_t size = strcspn(word, ",");
        struct injection injection;
        uint32_t times;

        if (parse_one(word, size, &injection, &times) < 0 || times > INJECTION_MAX - *count)
            return reason_set(why, -EINVAL, "--inject \"%s\": expected none, firmware=N, host=N, status=N, "
                              "report-size=N or other-data, perhaps with *N behind it, and %u together", words,
                              INJECTION_MAX);
        for (uint32_t n = 0; n < times; n++)
            list[(*count)++] = injection;
        word += size;
        if (!*word)
            return 0;
    }
}

void injection_apply(const struct injection *injection, struct psp_answer *answer)
{
    switch (injection->kind) {
    case INJECT_NOTHING:
        return;
    case INJECT_FIRMWARE:
    case INJECT_HOST:
        memset(answer, 0, sizeof(*answer));
        answer->firmware_error = injection->kind == INJECT_FIRMWARE ? injection->value : 0;
        answer->host_error = injection->kind == INJECT_HOST ? injection->value : 0;
        if (answer->host_error == HOST_INVALID_LENGTH)
            answer->certificates_needed = CERT_TABLE_MAX_BYTES + PAGE_BYTES;
        return;
    case INJECT_STATUS:
        memset(answer->message, 0, sizeof(answer->message));
        put_u32le(answer->message, injection->value);
        return;
    case INJECT_REPORT_SIZE:
        put_u32le(answer->message + 4, injection->value);
        return;
    case INJECT_OTHER_DATA:
        answer->message[REPORT_RESPONSE_HEAD_BYTES + 0x50] ^= 1;
        return;
    }
}
