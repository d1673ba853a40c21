/*
 * Names of what a broker gives out: REPOSITORY/TYPE/TAG, or the protocol's URI for people, kbs:///REPOSITORY/TYPE/TAG
 * and kbs+PLUGIN:///…, whose path is another plugin's (Trustee's kbs/docs/kbs.md).
 */
#pragma once

#include "base/base.h"
#include "release/release.h"

#define RESOURCE_MAX_PLUGIN_BYTES 31

struct resource {
    char plugin[RESOURCE_MAX_PLUGIN_BYTES + 1]; /* "resource" unless a URI says otherwise */
    char path[RELEASE_MAX_RESOURCE_BYTES + 1];  /* three parts of [A-Za-z0-9_-][A-Za-z0-9_.-]* */
};

/* `text` of `size` bytes. Errors: -EBADMSG. */
int resource_parse(const char *text, size_t size, struct resource *ret_resource) MUST_CHECK;
