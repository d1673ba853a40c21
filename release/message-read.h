/* Between the files that read messages: what they have in common. */
#pragma once

#include "base/json.h"
#include "release/release.h"

/* The member `nonce`: the padded base64 of exactly RELEASE_NONCE_BYTES bytes. */
void message_read_nonce(struct json_reader *reader, char ret_nonce[RELEASE_NONCE_TEXT_BYTES]);
