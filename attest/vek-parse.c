/* Endorsement key certificates: whoever sends one controls it until its chain has been verified. Pure. */
#include "attest/vek.h"

#include <errno.h>
#include <openssl/objects.h>
#include <string.h>

#include "base/cursor.h"

#define DER_INTEGER 0x02
#define DER_OCTET_STRING 0x04
#define DER_IA5_STRING 0x16

#define AMD_ARC "1.3.6.1.4.1.3704.1."
#define TURIN_HWID_BYTES 8

void certificate_common_name(X509 *certificate, char ret_name[64])
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *value;
    int size;

    ret_name[0] = '\0';
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    size = ASN1_STRING_length(value);
    if (size < 0 || size > 63 || memchr(ASN1_STRING_get0_data(value), '\0', (size_t)size))
        return;
    memcpy(ret_name, ASN1_STRING_get0_data(value), (size_t)size);
    ret_name[size] = '\0';
}

/* The contents of the only extension with that number under AMD's arc. */
static int find_extension(X509 *certificate, const char *number, struct cursor *ret_value, struct reason *why)
{
    char text[64] = AMD_ARC;
    const ASN1_OCTET_STRING *value;
    ASN1_OBJECT *oid;
    int at, again;

    memcpy(text + strlen(AMD_ARC), number, strlen(number) + 1);
    oid = OBJ_txt2obj(text, 1);
    if (!oid)
        return -ENOMEM;
    at = X509_get_ext_by_OBJ(certificate, oid, -1);
    again = at < 0 ? -1 : X509_get_ext_by_OBJ(certificate, oid, at);
    ASN1_OBJECT_free(oid);
    if (at < 0 || again >= 0)
        return reason_set(why, -EBADMSG, "extension %s %s", text, at < 0 ? "is missing" : "stands there twice");
    value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    *ret_value = cursor_over(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return 0;
}

/* A DER INTEGER from 0 to 255: one byte, or two with a leading zero from 128 on. */
static int read_small_integer(struct cursor c, uint8_t *ret_value)
{
    uint8_t tag = cursor_u8(&c), length = cursor_u8(&c), value = cursor_u8(&c);

    if (length == 2) {
        if (value != 0)
            return -EBADMSG;
        value = cursor_u8(&c);
        if (value < 0x80)
            return -EBADMSG;
    } else if (length != 1 || value >= 0x80) {
        return -EBADMSG;
    }
    if (tag != DER_INTEGER || cursor_end(&c) < 0)
        return -EBADMSG;
    *ret_value = value;
    return 0;
}

static int read_component(X509 *certificate, const char *number, uint8_t *ret_value, struct reason *why)
{
    struct cursor value;
    int r = find_extension(certificate, number, &value, why);

    if (r < 0)
        return r;
    r = read_small_integer(value, ret_value);
    if (r < 0)
        return reason_set(why, r, "extension " AMD_ARC "%s is not a number from 0 to 255", number);
    return 0;
}

/* An IA5String of at most `room` - 1 (below 127) printable characters. */
static int read_text(struct cursor c, char *to, size_t room)
{
    struct cursor text;
    size_t size;

    if (cursor_u8(&c) != DER_IA5_STRING)
        return -EBADMSG;
    size = cursor_u8(&c);
    if (size >= room || size > 127)
        return -EBADMSG;
    text = cursor_sub(&c, size);
    if (cursor_end(&c) < 0)
        return -EBADMSG;
    memset(to, 0, room);
    cursor_copy(&text, to, size);
    for (size_t i = 0; i < size; i++)
        if (to[i] < ' ' || to[i] > '~')
            return -EBADMSG;
    return 0;
}

/* "Milan-B0" and the like in VCEKs, the plain name in others. */
static int read_product(X509 *certificate, enum product *ret_product, struct reason *why)
{
    enum product product;
    char name[16];
    struct cursor c;
    int r = find_extension(certificate, "2", &c, why);

    if (r < 0)
        return r;
    if (read_text(c, name, sizeof(name)) < 0)
        return reason_set(why, -EBADMSG, "extension " AMD_ARC "2 is not a product name");
    name[strcspn(name, "-")] = '\0';
    product = product_from_name(name);
    if (product == PRODUCT_UNKNOWN)
        return reason_set(why, -EBADMSG, "certificate is for the product \"%s\", which has no known root", name);
    *ret_product = product;
    return 0;
}

/* Raw bytes in older certificates, an OCTET STRING around them in newer ones; 64 bytes, 8 on Turin. */
static int read_hwid(X509 *certificate, enum product product, uint8_t ret_hwid[CHIP_ID_BYTES], struct reason *why)
{
    size_t wanted = product == PRODUCT_TURIN ? TURIN_HWID_BYTES : CHIP_ID_BYTES;
    uint8_t hwid[CHIP_ID_BYTES] = { 0 };
    struct cursor c;
    int r = find_extension(certificate, "4", &c, why);

    if (r < 0)
        return r;
    if (c.left == wanted + 2 && (cursor_u8(&c) != DER_OCTET_STRING || cursor_u8(&c) != wanted))
        c.failed = true;
    cursor_copy(&c, hwid, wanted);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "extension " AMD_ARC "4 is not a chip id of %zu bytes", wanted);
    memcpy(ret_hwid, hwid, sizeof(hwid));
    return 0;
}

static int read_csp_id(X509 *certificate, char ret_csp_id[VEK_CSP_ID_BYTES], struct reason *why)
{
    struct cursor c;
    int r = find_extension(certificate, "5", &c, why);

    if (r < 0)
        return r;
    if (read_text(c, ret_csp_id, VEK_CSP_ID_BYTES) < 0)
        return reason_set(why, -EBADMSG, "extension " AMD_ARC "5 is not the name of a provider");
    return 0;
}

static int read_kind(X509 *certificate, enum signing_key *ret_kind, struct reason *why)
{
    char name[64];

    certificate_common_name(certificate, name);
    if (strcmp(name, "SEV-VCEK") == 0)
        *ret_kind = SIGNING_KEY_VCEK;
    else if (strcmp(name, "SEV-VLEK") == 0)
        *ret_kind = SIGNING_KEY_VLEK;
    else
        return reason_set(why, -EBADMSG, "certificate's common name is \"%s\", expected SEV-VCEK or SEV-VLEK", name);
    return 0;
}

int vek_parse(X509 *certificate, struct vek *ret_vek, struct reason *why)
{
    struct vek vek = { .product = PRODUCT_UNKNOWN };
    uint8_t layout; /* structVersion: 0 or 1; the extensions themselves tell more */
    int r = read_kind(certificate, &vek.kind, why);

    if (r == 0)
        r = read_component(certificate, "1", &layout, why);
    if (r == 0)
        r = read_product(certificate, &vek.product, why);
    if (r == 0)
        r = read_component(certificate, "3.1", &vek.tcb.bootloader, why);
    if (r == 0)
        r = read_component(certificate, "3.2", &vek.tcb.tee, why);
    if (r == 0)
        r = read_component(certificate, "3.3", &vek.tcb.snp, why);
    if (r == 0)
        r = read_component(certificate, "3.8", &vek.tcb.microcode, why);
    if (r == 0 && vek.product == PRODUCT_TURIN)
        r = read_component(certificate, "3.9", &vek.tcb.fmc, why);
    if (r == 0 && vek.kind == SIGNING_KEY_VCEK)
        r = read_hwid(certificate, vek.product, vek.hwid, why);
    if (r == 0 && vek.kind == SIGNING_KEY_VLEK)
        r = read_csp_id(certificate, vek.csp_id, why);
    if (r < 0)
        return r;
    *ret_vek = vek;
    return 0;
}
