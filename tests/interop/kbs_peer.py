"""The key broker protocol (RCAR 0.4.0) a second time, both sides of it, from its description and on Debian's
python3-cryptography and python3-rfc8785: nothing here comes from release/ or broker/."""
import base64
import hashlib
import json
import os
import struct

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# ---- keys

CURVES = {"P-256": (ec.SECP256R1, 32), "P-521": (ec.SECP521R1, 66)}


def jwk_of(public, alg=True):
    if isinstance(public, rsa.RSAPublicKey):
        n, e = (b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))
                for value in (public.public_numbers().n, public.public_numbers().e))
        return {"kty": "RSA", "alg": "RSA-OAEP-256", "n": n, "e": e}
    numbers, name = public.public_numbers(), "P-521" if public.curve.name == "secp521r1" else "P-256"
    size = CURVES[name][1]
    jwk = {"kty": "EC", "crv": name, "x": b64(numbers.x.to_bytes(size, "big")), "y": b64(numbers.y.to_bytes(size, "big"))}
    return {**jwk, "alg": "ECDH-ES+A256KW"} if alg else jwk


def private_jwk(key):
    return {**jwk_of(key.public_key()), "d": b64(key.private_numbers().private_value.to_bytes(32, "big"))}


def key_of(jwk):
    """The public key that a guest sent, with every member that the protocol wants of it."""
    if jwk["kty"] == "RSA":
        assert (set(jwk), jwk["alg"]) == ({"alg", "e", "kty", "n"}, "RSA-OAEP-256"), jwk
        n, e = (int.from_bytes(unb64(jwk[name]), "big") for name in "ne")
        return rsa.RSAPublicNumbers(e, n).public_key()
    curve, size = CURVES[jwk["crv"]]
    assert all(len(unb64(jwk[name])) == size for name in "xy"), jwk
    x, y = (int.from_bytes(unb64(jwk[name]), "big") for name in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()


# ---- JWE: ECDH-ES+A256KW or RSA-OAEP-256, with A256GCM

def kek_of(own, peer):
    info = struct.pack(">I", 14) + b"ECDH-ES+A256KW" + struct.pack(">III", 0, 0, 256)
    return ConcatKDFHash(hashes.SHA256(), 32, info).derive(own.exchange(ec.ECDH(), peer))


def encrypt(guest_jwk, plain, header=None, change=lambda jwe: jwe):
    guest, cek, iv = key_of(guest_jwk), os.urandom(32), os.urandom(12)
    if guest_jwk["kty"] == "RSA":
        wrapped = guest.encrypt(cek, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        head = {"alg": "RSA-OAEP-256", "enc": "A256GCM", **(header or {})}
    else:
        own = ec.generate_private_key(guest.curve)
        wrapped = aes_key_wrap(kek_of(own, guest), cek)
        head = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "epk": jwk_of(own.public_key(), alg=False), **(header or {})}
    protected = b64(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    sealed = AESGCM(cek).encrypt(iv, plain, protected.encode())
    return change({"protected": protected, "encrypted_key": b64(wrapped), "iv": b64(iv),
                   "ciphertext": b64(sealed[:-16]), "tag": b64(sealed[-16:])})


def decrypt(key, jwe):
    head = json.loads(unb64(jwe["protected"]))
    if isinstance(key, rsa.RSAPrivateKey):
        assert head == {"alg": "RSA-OAEP-256", "enc": "A256GCM"}, head
        cek = key.decrypt(unb64(jwe["encrypted_key"]), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    else:
        assert (head["alg"], head["enc"]) == ("ECDH-ES+A256KW", "A256GCM"), head
        cek = aes_key_unwrap(kek_of(key, key_of(head["epk"])), unb64(jwe["encrypted_key"]))
    # As Trustee's clients do: over their own spelling of the header, not the received one.
    protected = b64(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    return AESGCM(cek).decrypt(unb64(jwe["iv"]), unb64(jwe["ciphertext"]) + unb64(jwe["tag"]), protected.encode())


# ---- reports

def runtime_digest(nonce, jwk):
    return hashlib.sha384(rfc8785.dumps({"additional-evidence": "", "nonce": nonce, "tee-pubkey": jwk})).digest()


SIGNED_BYTES = 0x2a0
PLACES = ((0x10, "family_id"), (0x20, "image_id"), (0x50, "report_data"), (0x90, "measurement"), (0xc0, "host_data"),
          (0xe0, "id_key_digest"), (0x110, "author_key_digest"), (0x140, "report_id"), (0x160, "report_id_ma"),
          (0x1a0, "chip_id"))


def report_of(report):
    """The 1184 bytes that the JSON (the serde form of the sev crate) names; the signature is over the first SIGNED_BYTES."""
    def tcb(value):
        return struct.pack("<BB4xBB", value["bootloader"], value["tee"], value["snp"], value["microcode"])

    def firmware(value):
        return bytes([value["build"], value["minor"], value["major"], 0])
    body = bytearray(1184)
    struct.pack_into("<IIQ", body, 0, report["version"], report["guest_svn"], report["policy"])
    for offset, name in PLACES:
        body[offset:offset + len(report[name])] = bytes(report[name])
    struct.pack_into("<II8sQI", body, 0x30, report["vmpl"], report["sig_algo"], tcb(report["current_tcb"]),
                     report["plat_info"], report["key_info"])
    body[0x180:0x188] = tcb(report["reported_tcb"])
    body[0x188:0x18b] = bytes([report["cpuid_fam_id"], report["cpuid_mod_id"], report["cpuid_step"]])
    body[0x1e0:0x1e8] = tcb(report["committed_tcb"])
    body[0x1e8:0x1ec], body[0x1ec:0x1f0] = firmware(report["current"]), firmware(report["committed"])
    body[0x1f0:0x1f8] = tcb(report["launch_tcb"])
    body[0x2a0:0x2e8], body[0x2e8:0x330] = (bytes(report["signature"][name]) for name in "rs")
    return bytes(body)


class Processor:
    """The test processor that tests/broker/release-client.c made in a directory; Genoa."""

    def __init__(self, directory):
        def read(name):
            with open(os.path.join(directory, name), "rb") as file:
                return file.read()
        self.vek, self.ask = read("vek.der"), read("ask.der")
        self.key = serialization.load_pem_private_key(read("vek.key"), None)
        extensions = {e.oid.dotted_string: e.value.value for e in x509.load_der_x509_certificate(self.vek).extensions}
        base = "1.3.6.1.4.1.3704.1."

        def number(oid):
            return extensions[base + oid][-1]
        self.tcb = {"fmc": None, "bootloader": number("3.1"), "tee": number("3.2"), "snp": number("3.3"),
                    "microcode": number("3.8")}
        self.chip = extensions[base + "4"][-64:]

    def evidence(self, report_data, measurement, report_id):
        tcb = struct.pack("<BB4xBB", *(self.tcb[name] for name in ("bootloader", "tee", "snp", "microcode")))
        version = {"major": 1, "minor": 55, "build": 21}
        body = bytearray(1184)
        struct.pack_into("<IIQ", body, 0, 3, 0, 0x30000)
        struct.pack_into("<II8sQI", body, 0x30, 0, 1, tcb, 0, 0)
        body[0x50:0x90], body[0x90:0xc0], body[0x140:0x160] = report_data, measurement, report_id
        body[0x160:0x180] = b"\xff" * 32
        body[0x180:0x188], body[0x188:0x18b] = tcb, bytes([0x19, 0x11, 1])
        body[0x1a0:0x1e0], body[0x1e0:0x1e8] = self.chip, tcb
        body[0x1e8:0x1ec], body[0x1ec:0x1f0] = bytes([21, 55, 1, 0]), bytes([21, 55, 1, 0])
        body[0x1f0:0x1f8] = tcb
        r, s = decode_dss_signature(self.key.sign(bytes(body[:0x2a0]), ec.ECDSA(hashes.SHA384())))
        body[0x2a0:0x2e8], body[0x2e8:0x330] = r.to_bytes(72, "little"), s.to_bytes(72, "little")
        report = {"version": 3, "guest_svn": 0, "policy": 0x30000, "family_id": [0] * 16, "image_id": [0] * 16, "vmpl": 0,
                  "sig_algo": 1, "current_tcb": self.tcb, "plat_info": 0, "key_info": 0, "report_data": list(report_data),
                  "measurement": list(measurement), "host_data": [0] * 32, "id_key_digest": [0] * 48,
                  "author_key_digest": [0] * 48, "report_id": list(report_id), "report_id_ma": [255] * 32,
                  "reported_tcb": self.tcb, "cpuid_fam_id": 0x19, "cpuid_mod_id": 0x11, "cpuid_step": 1,
                  "chip_id": list(self.chip), "committed_tcb": self.tcb, "current": version, "committed": version,
                  "launch_tcb": self.tcb, "launch_mit_vector": None, "current_mit_vector": None,
                  "signature": {"r": list(r.to_bytes(72, "little")), "s": list(s.to_bytes(72, "little"))}}
        chain = [{"cert_type": "VCEK", "data": list(self.vek)}, {"cert_type": "ASK", "data": list(self.ask)}]
        self.report = bytes(body)
        return {"attestation_report": report, "cert_chain": chain}

    def verify(self, report):
        """Whether evidence of ours came back over the wire unharmed: the signature over the bytes that its JSON names."""
        body = report_of(report)[:SIGNED_BYTES]
        r, s = (int.from_bytes(bytes(report["signature"][name]), "little") for name in "rs")
        self.key.public_key().verify(encode_dss_signature(r, s), body, ec.ECDSA(hashes.SHA384()))
        return hashlib.sha384(body).digest()


# ---- the signed volume record (docs/volume-record.md)

def word(text):
    return bytes([len(text)]) + text.encode()


def record(volume, key, generation=1, state=2):
    return (b"PSTNVOL2" + word(volume) + word("aes-xts-plain64") + word("none") +
            struct.pack("<IQQQQBBB", 4096, 0, 64 << 20, 64 << 20, generation, 0, state, len(key)) + key)


def release(signer, nonce, digest, epoch, registered):
    signed = b"PSTNREL2" + nonce + digest + struct.pack("<QH", epoch, len(registered)) + registered
    signature = signer.sign(signed, ec.ECDSA(hashes.SHA384()))
    return signed + struct.pack("<H", len(signature)) + signature


def open_release(record_key, payload):
    assert payload[:8] == b"PSTNREL2", payload[:8]
    nonce, digest = payload[8:40], payload[40:88]
    epoch, size = struct.unpack_from("<QH", payload, 88)
    registered = payload[98:98 + size]
    signature = payload[100 + size:]
    assert len(signature) == struct.unpack_from("<H", payload, 98 + size)[0]
    record_key.verify(signature, payload[:98 + size], ec.ECDSA(hashes.SHA384()))
    return {"nonce": nonce, "digest": digest, "epoch": epoch, "key": registered[-64:], "registered": registered}


def acknowledged_text(nonce, digest, epoch, resource):
    return b"PSTNACK1" + nonce + digest + struct.pack("<QH", epoch, len(resource)) + resource.encode()
