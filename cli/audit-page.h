/*
 * An audit as one HTML page: nothing is fetched, nothing is needed but a browser, and without scripts only the filter
 * of the table is missing. What the manifest says is text in it, never markup.
 */
#pragma once

#include "cli/audit.h"

/* Errors: -ENOMEM, -EMSGSIZE. */
int audit_page(const struct audit *audit, struct buffer *to) MUST_CHECK;

/* The chain of contributions as an inline SVG, to scale, and a zoom of what is too small in it. */
void audit_drawing(const struct audit *audit, struct buffer *to);

/* Text with what HTML takes for markup escaped. */
void page_add_text(struct buffer *to, const char *text);

/* The inline style and script: their bytes, as the page's policy hashes them. */
extern const char page_style[];
extern const char page_script[];
