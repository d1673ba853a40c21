"""Attestation reports and certificate tables as tests need them, on python3-cryptography: a second reading, independent
of attest/."""
import struct
import uuid

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

REPORT_BYTES = 1184
SIGNED_BYTES = 0x2A0
KINDS = {
    "63da758d-e664-4564-adc5-f4b93be8accd": "vcek",
    "a8074bc2-a25a-483e-aae6-39c045a0b8a1": "vlek",
    "4ab7b379-bbac-4fe4-a02f-05aef327c782": "ask",
    "c0b406a4-a803-4952-9743-3fb6014cd0ae": "ark",
}
FIELDS = {
    "version": (0x00, "<I"), "guest_svn": (0x04, "<I"), "policy": (0x08, "<Q"), "family_id": (0x10, "16s"),
    "image_id": (0x20, "16s"), "vmpl": (0x30, "<I"), "signature_algorithm": (0x34, "<I"), "current_tcb": (0x38, "<Q"),
    "platform_info": (0x40, "<Q"), "key_info": (0x48, "<I"), "report_data": (0x50, "64s"),
    "measurement": (0x90, "48s"), "host_data": (0xC0, "32s"), "id_key_digest": (0xE0, "48s"),
    "author_key_digest": (0x110, "48s"), "report_id": (0x140, "32s"), "report_id_ma": (0x160, "32s"),
    "reported_tcb": (0x180, "<Q"), "cpuid": (0x188, "3s"), "chip_id": (0x1A0, "64s"), "committed_tcb": (0x1E0, "<Q"),
    "current_version": (0x1E8, "4s"), "committed_version": (0x1EC, "4s"), "launch_tcb": (0x1F0, "<Q"),
    "launch_mit_vector": (0x1F8, "<Q"), "current_mit_vector": (0x200, "<Q"),
}


def fields(report):
    """Every field of a report, integers and bytes."""
    assert len(report) == REPORT_BYTES
    return {name: struct.unpack_from(form, report, offset)[0] for name, (offset, form) in FIELDS.items()}


def certificates(table):
    """{"vcek": DER, "ask": DER, "ark": DER} of a certificate table."""
    found, at = {}, 0
    while any(table[at:at + 24]):
        guid, (offset, size) = uuid.UUID(bytes=table[at:at + 16]), struct.unpack_from("<II", table, at + 16)
        assert offset + size <= len(table)
        found[KINDS[str(guid)]] = table[offset:offset + size]
        at += 24
    return found


def signature_holds(report, vcek_der):
    """Whether the report's ECDSA signature is by that certificate's key."""
    key = x509.load_der_x509_certificate(vcek_der).public_key()
    r, s = (int.from_bytes(report[at:at + 72], "little") for at in (0x2A0, 0x2E8))
    try:
        key.verify(utils.encode_dss_signature(r, s), report[:SIGNED_BYTES], ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def issued_by(child_der, parent_der):
    """Whether the parent's key signed the child as AMD does: RSASSA-PSS, SHA-384, salt of 48 bytes."""
    child, parent = (x509.load_der_x509_certificate(der) for der in (child_der, parent_der))
    try:
        parent.public_key().verify(child.signature, child.tbs_certificate_bytes,
                                   padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
    except InvalidSignature:
        return False
    return child.issuer == parent.subject
