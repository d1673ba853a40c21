/* Messages that brokers read, from guests that control every byte. Pure. Not in the guest. */
#include <errno.h>
#include <string.h>

#include "release/fold.h"
#include "release/init-data.h"
#include "release/message-nonce.h"
#include "release/message.h"

static void read_short(struct json_reader *reader, const char *name, char *ret_text, size_t room)
{
    const char *text = NULL;

    if (json_read_string(reader, name, JSON_REQUIRED, room - 1, &text))
        memcpy(ret_text, text, strlen(text) + 1);
}

int message_parse_request(const void *text, size_t size, struct message_request *ret_request, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    struct message_request request;
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    memset(&request, 0, sizeof(request));
    json_read_root(root, &status, &reader);
    read_short(&reader, "version", request.version, sizeof(request.version));
    read_short(&reader, "tee", request.tee, sizeof(request.tee));
    if (!status.error && !json_has(&reader, "extra-params"))
        json_refuse(&reader, "extra-params", "missing");
    json_ignore(&reader, "extra-params");
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_request = request;
    return 0;
}

int message_parse_confirmation(const void *text, size_t size, struct message_confirmation *ret_confirmation,
                               struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    struct message_confirmation confirmation;
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    memset(&confirmation, 0, sizeof(confirmation));
    json_read_root(root, &status, &reader);
    (void)json_read_u64(&reader, "epoch", JSON_REQUIRED, 1, INT64_MAX, &confirmation.epoch);
    if (!status.error && !json_has(&reader, "found"))
        json_refuse(&reader, "found", "missing");
    else
        confirmation.has_found = json_read_u64(&reader, "found", JSON_OPTIONAL, 0, INT64_MAX, &confirmation.found);
    (void)json_read_bool(&reader, "rotated", JSON_OPTIONAL, &confirmation.rotated);
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_confirmation = confirmation;
    return 0;
}

static void read_runtime_data(struct json_reader *reader, struct message_attestation *to)
{
    struct json_reader runtime, key;

    if (!json_read_object(reader, "runtime-data", JSON_REQUIRED, &runtime))
        return;
    message_read_nonce(&runtime, to->nonce);
    if (json_read_object(&runtime, "tee-pubkey", JSON_REQUIRED, &key))
        guest_key_read_jwk(&key, true, &to->key);
    json_read_done(&runtime);
}

static void read_tee_evidence(struct json_reader *reader, struct message_attestation *to)
{
    struct json_reader evidence, primary;
    const char *additional = "";

    if (!json_read_object(reader, "tee-evidence", JSON_REQUIRED, &evidence))
        return;
    if (json_read_object(&evidence, "primary_evidence", JSON_REQUIRED, &primary))
        evidence_read(&primary, &to->evidence);
    /* Secondary devices have nothing to do with a volume's key. */
    if (json_read_string(&evidence, "additional_evidence", JSON_REQUIRED, RELEASE_MAX_MESSAGE_BYTES, &additional) &&
        additional[0])
        json_refuse(&evidence, "additional_evidence", "evidence of further devices is not accepted");
    json_read_done(&evidence);
}

/* Init-data says nothing here that HOST_DATA does not bind; what is in it is the guest's concern, and policy's. */
static void read_init_data(struct json_reader *reader, struct message_attestation *to)
{
    const char *format = NULL, *body = NULL;
    struct json_reader init_data;
    struct reason why = { "" };

    if (!json_has(reader, "init-data") || json_read_null(reader, "init-data") ||
        !json_read_object(reader, "init-data", JSON_REQUIRED, &init_data))
        return;
    if (json_read_string(&init_data, "format", JSON_REQUIRED, 16, &format) && strcmp(format, "toml") != 0)
        json_refuse(&init_data, "format", "expected \"toml\", found \"%s\"", format);
    if (json_read_string(&init_data, "body", JSON_REQUIRED, INIT_DATA_MAX_BYTES, &body) && !reader->status->error &&
        init_data_match(body, strlen(body), to->evidence.report + REPORT_HOST_DATA_AT, &why) < 0)
        json_refuse(&init_data, "body", "%s", why.text);
    json_read_done(&init_data);
}

static int parse_attestation(const void *text, size_t size, struct message_attestation *ret_attestation,
                             struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    memset(ret_attestation, 0, sizeof(*ret_attestation));
    json_read_root(root, &status, &reader);
    read_runtime_data(&reader, ret_attestation);
    read_tee_evidence(&reader, ret_attestation);
    read_init_data(&reader, ret_attestation);
    json_read_done(&reader);
    return status.error;
}

/* Folded first, which is what senders write; everything that does not pass so is judged, and named, as it was sent. */
int message_parse_attestation(const void *text, size_t size, struct message_attestation *ret_attestation,
                              struct reason *why)
{
    CLEANUP_BUFFER struct buffer folded = BUFFER_EMPTY;

    if (size <= RELEASE_MAX_MESSAGE_BYTES && fold_byte_arrays(text, size, &folded) &&
        parse_attestation(folded.data, folded.size, ret_attestation, NULL) == 0)
        return 0;
    return message_parse_attestation_plain(text, size, ret_attestation, why);
}

int message_parse_attestation_plain(const void *text, size_t size, struct message_attestation *ret_attestation,
                                    struct reason *why)
{
    /* What folding makes is nothing that a sender may write. */
    if (fold_looks_folded(text, size))
        return reason_set(why, -EBADMSG, "not acceptable as JSON: a control character");
    return parse_attestation(text, size, ret_attestation, why);
}
