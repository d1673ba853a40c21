/* Between the two files that read messages. */
#pragma once

#include "base/json.h"
#include "release/release.h"

/* The member nonce: the padded base64 of exactly RELEASE_NONCE_BYTES bytes. Problems go into the reader's status. */
void message_read_nonce(struct json_reader *reader, char ret_nonce[RELEASE_NONCE_TEXT_BYTES]);
