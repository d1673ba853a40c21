/* Reports and certificates for people and, as JSON, for programs. */
#pragma once

#include "attest/report.h"
#include "attest/vek.h"
#include "base/buffer.h"

/* Lines "  name        value", every field of the report; `product` decides how TCB versions are read. */
void show_report(const struct report *report, enum product product, struct buffer *to);

/* One JSON object with every field. */
void show_report_json(const struct report *report, enum product product, struct buffer *to);

/* One line of such a table. */
void show_line(struct buffer *to, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
void show_bytes(struct buffer *to, const char *name, const uint8_t *data, size_t size);

/* "fmc 0 bootloader 4 tee 0 snp 24 microcode 219" and {"fmc":0,…}. */
void show_tcb(struct buffer *to, const char *name, const struct tcb *tcb);
void show_tcb_json(struct buffer *to, const struct tcb *tcb);

/* ,"name":"hex" */
void show_hex_json(struct buffer *to, const char *name, const uint8_t *data, size_t size);

/* A certificate: subject, issuer, validity and AMD's extensions where they are. Both forms. */
void show_certificate(X509 *certificate, struct buffer *to);
void show_certificate_json(X509 *certificate, struct buffer *to);

/* "VCEK", "VLEK", "none", "unknown". */
const char *show_signing_key(enum signing_key key);

/* Prints what was gathered and frees it. Errors of memory are said. The exit code: 0 or COMMAND_MISUSE. */
int show_print(struct buffer *text);
