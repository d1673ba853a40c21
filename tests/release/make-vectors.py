#!/usr/bin/env python3
"""Derives tests/release/vectors.json: the release protocol worked out by another implementation than ours.

Needs python3-cryptography 43 or later. Everything is derived from labels, so the result is the same at each run:
    tests/release/make-vectors.py > tests/release/vectors.json
"""
import base64
import hashlib
import json
import struct

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash


def derived(label, size):
    return hashlib.shake_256(label.encode()).digest(size)


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    """RFC 8785 for what we have: ASCII and integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def key_of(label, curve, size):
    return ec.derive_private_key(int.from_bytes(derived(label, size), "big") >> 8, curve)


def jwk(key, alg=True):
    numbers = key.public_key().public_numbers()
    out = {"crv": "P-256", "kty": "EC", "x": url(numbers.x.to_bytes(32, "big")), "y": url(numbers.y.to_bytes(32, "big"))}
    return {"alg": "ECDH-ES+A256KW", **out} if alg else out


def seal(label, guest, plaintext, spell=compact):
    """One JWE, with everything that it goes through; `spell` writes its protected header."""
    ephemeral = key_of(label + " ephemeral", ec.SECP256R1(), 32)
    z = ephemeral.exchange(ec.ECDH(), guest.public_key())
    info = struct.pack(">I", 14) + b"ECDH-ES+A256KW" + bytes(8) + struct.pack(">I", 256)
    kek = ConcatKDFHash(hashes.SHA256(), 32, info).derive(z)
    cek = derived(label + " cek", 32)
    iv = derived(label + " iv", 12)
    protected = url(spell({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "epk": jwk(ephemeral, False)}).encode())
    sealed = AESGCM(cek).encrypt(iv, plaintext, protected.encode())
    message = {"protected": protected, "encrypted_key": url(keywrap.aes_key_wrap(kek, cek)), "iv": url(iv),
               "ciphertext": url(sealed[:-16]), "tag": url(sealed[-16:])}
    return {"z": z.hex(), "kek": kek.hex(), "plaintext": plaintext.hex(),
            "message": json.dumps(message, separators=(",", ":"))}


def loose(value):
    """The same JSON in another order and with spaces, as RFC 7516 allows any."""
    return json.dumps(dict(reversed(value.items())), indent=1)


def handshake(label, find=lambda key: True, spell=compact):
    """A session from the nonce to the answer; `find` says which guest keys will do."""
    number = 0
    while True:
        guest = key_of(f"{label} guest {number}", ec.SECP256R1(), 32)
        if find(guest):
            break
        number += 1
    nonce = base64.b64encode(derived(label + " nonce", 32)).decode()
    canonical = compact({"additional-evidence": "", "nonce": nonce, "tee-pubkey": jwk(guest)})
    return {"d": guest.private_numbers().private_value.to_bytes(32, "big").hex(), "jwk": compact(jwk(guest)),
            "nonce": nonce, "canonical": canonical,
            "report_data": (hashlib.sha384(canonical.encode()).digest() + bytes(16)).hex(),
            "jwe": seal(label, guest, derived(label + " plaintext", 201), spell)}


def x_starts_with_zero(key):
    return key.public_key().public_numbers().x >> 248 == 0


def y_starts_with_zero(key):
    return key.public_key().public_numbers().y >> 248 == 0


def secret_starts_with_zero(key):
    """With the ephemeral key that the handshake of this label will use."""
    return key_of("zero z ephemeral", ec.SECP256R1(), 32).exchange(ec.ECDH(), key.public_key())[0] == 0


# ---- volume records

def word(text):
    return bytes([len(text)]) + text.encode()


def record():
    key = derived("volume key", 64)
    registered = (b"PSTNVOL2" + word("data-1") + word("aes-xts-plain64") + word("none") +
                  struct.pack("<IQQQQBBB", 4096, 1 << 20, 64 << 20, 64 << 20, 7, 0, 2, len(key)) + key)
    nonce, digest = derived("record nonce", 32), derived("record report digest", 48)
    signed = b"PSTNREL2" + nonce + digest + struct.pack("<QH", 12, len(registered)) + registered
    signer = key_of("record signer", ec.SECP384R1(), 48)
    signature = signer.sign(signed, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
    spki = signer.public_key().public_bytes(serialization.Encoding.DER,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"key": key.hex(), "registered": registered.hex(), "nonce": nonce.hex(), "report_digest": digest.hex(),
            "record_key": base64.b64encode(spki).decode(),
            "release": (signed + struct.pack("<H", len(signature)) + signature).hex()}


# ---- evidence: a report's bytes, and the JSON that Rust's serde makes of the sev crate's structures

def put(report, offset, data):
    report[offset:offset + len(data)] = data


def tcb(turin, raw):
    if turin:
        return {"fmc": raw[0], "bootloader": raw[1], "tee": raw[2], "snp": raw[3], "microcode": raw[7]}
    return {"fmc": None, "bootloader": raw[0], "tee": raw[1], "snp": raw[6], "microcode": raw[7]}


def evidence(version, family, model, certificates):
    label = f"evidence {version} {family} {model}"
    turin = family == 0x1a
    report = bytearray(derived(label, 1184))
    put(report, 0, struct.pack("<I", version))
    put(report, 0x4c, bytes(4))
    put(report, 0x188, bytes([family, model, 1]) if version >= 3 else bytes(3))
    put(report, 0x18b, bytes(0x1a0 - 0x18b))
    if version < 3 and turin:
        put(report, 0x1a8, bytes(56))
    for offset in (0x38, 0x180, 0x1e0, 0x1f0):
        put(report, offset + (4 if turin else 2), bytes(3 if turin else 4))
    put(report, 0x1eb, b"\0")
    put(report, 0x1ef, b"\0")
    if version < 5:
        put(report, 0x1f8, bytes(16))
    put(report, 0x208, bytes(0x2a0 - 0x208))
    put(report, 0x330, bytes(1184 - 0x330))

    def u32(at):
        return struct.unpack_from("<I", report, at)[0]

    def u64(at):
        return struct.unpack_from("<Q", report, at)[0]

    def raw(at, size):
        return list(report[at:at + size])

    def firmware(at):
        return {"major": report[at + 2], "minor": report[at + 1], "build": report[at]}
    body = {"version": version, "guest_svn": u32(4), "policy": u64(8), "family_id": raw(0x10, 16), "image_id": raw(0x20, 16),
            "vmpl": u32(0x30), "sig_algo": u32(0x34), "plat_info": u64(0x40), "key_info": u32(0x48),
            "report_data": raw(0x50, 64), "measurement": raw(0x90, 48), "host_data": raw(0xc0, 32),
            "id_key_digest": raw(0xe0, 48), "author_key_digest": raw(0x110, 48), "report_id": raw(0x140, 32),
            "report_id_ma": raw(0x160, 32), "current_tcb": tcb(turin, raw(0x38, 8)),
            "reported_tcb": tcb(turin, raw(0x180, 8)), "committed_tcb": tcb(turin, raw(0x1e0, 8)),
            "launch_tcb": tcb(turin, raw(0x1f0, 8)), "cpuid_fam_id": family if version >= 3 else None,
            "cpuid_mod_id": model if version >= 3 else None, "cpuid_step": 1 if version >= 3 else None,
            "chip_id": raw(0x1a0, 64), "current": firmware(0x1e8), "committed": firmware(0x1ec),
            "launch_mit_vector": u64(0x1f8) if version >= 5 else None,
            "current_mit_vector": u64(0x200) if version >= 5 else None,
            "signature": {"r": raw(0x2a0, 72), "s": raw(0x2e8, 72)}}
    chain = [{"cert_type": kind, "data": list(derived(f"{label} {kind}", size))} for kind, size in certificates] or None
    return {"report": report.hex(), "json": json.dumps({"attestation_report": body, "cert_chain": chain},
                                                       separators=(",", ":"))}


def main():
    vectors = {
        "handshakes": [handshake("one"), handshake("zero x", x_starts_with_zero), handshake("zero y", y_starts_with_zero),
                       handshake("zero z", secret_starts_with_zero),
                       handshake("loose header", spell=loose)],
        "record": record(),
        "evidence": [evidence(2, 0x19, 0x01, []), evidence(2, 0x1a, 0x02, []), evidence(3, 0x19, 0x01, [("VCEK", 40)]),
                     evidence(3, 0x19, 0xa0, [("VLEK", 33), ("ASK", 21)]), evidence(4, 0x19, 0x11, []),
                     evidence(5, 0x1a, 0x02, [("VCEK", 100), ("ASK", 90), ("ARK", 80), ("CRL", 10)]),
                     evidence(5, 0x19, 0x11, [])],
    }
    print(json.dumps(vectors, indent=1))


main()
