/* What manifests are called and how large they get (docs/manifest.md); for those who read a part of one as well. */
#pragma once

#include <stdint.h>

#define MANIFEST_PAYLOAD_TYPE "application/vnd.in-toto+json"
#define MANIFEST_STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define MANIFEST_PREDICATE_TYPE "urn:postern:launch-table:v1"

#define MANIFEST_NAME_BYTES 64 /* of artefacts, CPU types, tools; NUL included */
#define MANIFEST_MAX_ARTEFACTS 64
#define MANIFEST_MAX_TOOLS 64
#define MANIFEST_MAX_ROWS 32768
#define MANIFEST_MAX_CMDLINE_BYTES 4096
#define MANIFEST_MAX_NUMBER ((UINT64_C(1) << 53) - 1) /* what every JSON reader holds exactly (RFC 7493) */
