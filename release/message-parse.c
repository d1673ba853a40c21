/* Messages that guests read, from brokers that control every byte. Pure. */
#include "release/message.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "release/message-nonce.h"

/* The padded base64 of exactly RELEASE_NONCE_BYTES bytes. A nonce is hashed as text, so it has one spelling. */
void message_read_nonce(struct json_reader *reader, char ret_nonce[RELEASE_NONCE_TEXT_BYTES])
{
    uint8_t nonce[RELEASE_NONCE_BYTES];
    const char *text = NULL;
    size_t size = 0;

    if (!json_read_string(reader, "nonce", JSON_REQUIRED, RELEASE_NONCE_TEXT_BYTES - 1, &text))
        return;
    if (base64_decode(BASE64_STANDARD, text, strlen(text), nonce, sizeof(nonce), &size) < 0 || size != sizeof(nonce))
        json_refuse(reader, "nonce", "expected %u bytes in base64", RELEASE_NONCE_BYTES);
    else
        memcpy(ret_nonce, text, strlen(text) + 1);
}

int message_parse_challenge(const void *text, size_t size, char ret_nonce[RELEASE_NONCE_TEXT_BYTES],
                            struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    char nonce[RELEASE_NONCE_TEXT_BYTES] = "";
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    message_read_nonce(&reader, nonce);
    json_ignore(&reader, "extra-params"); /* a string for SNP, an object for others; it selects nothing here */
    json_read_done(&reader);
    if (status.error)
        return status.error;
    memcpy(ret_nonce, nonce, sizeof(nonce));
    return 0;
}

void message_parse_error(const void *text, size_t size, char ret_type[64], char ret_detail[192])
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, NULL };
    struct json_reader reader;
    const char *type = "", *detail = "", *slash;

    ret_type[0] = ret_detail[0] = '\0';
    if (json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, NULL) < 0)
        return;
    json_read_root(root, &status, &reader);
    (void)json_read_string(&reader, "type", JSON_OPTIONAL, 255, &type);
    (void)json_read_string(&reader, "detail", JSON_OPTIONAL, RELEASE_MAX_MESSAGE_BYTES, &detail);
    slash = strrchr(type, '/');
    type = slash ? slash + 1 : type;
    if (strlen(type) < 64)
        memcpy(ret_type, type, strlen(type) + 1);
    memcpy(ret_detail, detail, strnlen(detail, 191));
    ret_detail[strnlen(detail, 191)] = '\0';
}

int message_parse_acknowledgement(const void *text, size_t size, struct message_acknowledgement *ret_acknowledgement,
                                  struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    struct message_acknowledgement acknowledgement;
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    memset(&acknowledgement, 0, sizeof(acknowledgement));
    json_read_root(root, &status, &reader);
    (void)json_read_u64(&reader, "epoch", JSON_REQUIRED, 1, INT64_MAX, &acknowledgement.epoch);
    (void)json_read_base64(&reader, "signature", JSON_REQUIRED, BASE64_STANDARD, acknowledgement.signature,
                           sizeof(acknowledgement.signature), &acknowledgement.signature_size);
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_acknowledgement = acknowledgement;
    return 0;
}
