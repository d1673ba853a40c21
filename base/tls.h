/*
 * TLS 1.3 clients that know their peer by its public key, and HTTP exchanges over them.
 *
 * A peer is who holds the private key of a pinned SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): no certificate
 * store, no names, no validity dates, hence no clock. The pin is checked inside the handshake, before anything of
 * ours is sent. Key exchange groups in OpenSSL's order, X25519MLKEM768 first where it has it. No renegotiation, no
 * session resumption, no early data.
 *
 * For processes that have SIGPIPE blocked (PID 1, init/fault.c) or ignore it (all others, base/command.c): OpenSSL
 * writes with write(2), also when it reads or closes, and to a connection that the peer has reset.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"
#include "base/endpoint.h"
#include "base/http.h"
#include "base/reason.h"

#define TLS_PIN_BYTES 32
#define TLS_MAX_PINS 8

struct tls_peer {
    struct endpoint endpoint;
    uint8_t pins[TLS_MAX_PINS][TLS_PIN_BYTES]; /* SHA-256 of the DER SubjectPublicKeyInfo */
    size_t pin_count;
};

struct tls_client;

/*
 * Connects and shakes hands until `deadline_ms` (clock_ms()). Errors: -EKEYREJECTED when the peer's key is none of the
 * pinned ones (final; nothing has been sent to it), otherwise what the network or TLS said: -ECONNREFUSED,
 * -ENETUNREACH, -ETIMEDOUT, -EPROTO … (transport: another try may succeed).
 */
int tls_client_connect(const struct tls_peer *peer, uint64_t deadline_ms, struct tls_client **ret_client,
                       struct reason *why) MUST_CHECK;

/*
 * Sends `request` whole and reads one response into `parser` (HTTP_RESPONSE, fresh). Errors: transport errors as
 * above, -EBADMSG and -EMSGSIZE for a response that is not acceptable.
 */
int tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                        struct http_parser *parser, struct reason *why) MUST_CHECK;

/* Closes; fine with NULL. */
void tls_client_free(struct tls_client **client);

/* SHA-256 of a certificate's SubjectPublicKeyInfo. `certificate` is an X509 of OpenSSL. Errors: -EBADMSG. */
int tls_pin_of(const void *certificate, uint8_t ret_pin[TLS_PIN_BYTES]) MUST_CHECK;
