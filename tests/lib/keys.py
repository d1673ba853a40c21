"""Keys and signatures for tests, by python3-cryptography: a second implementation of what base/key.c does."""
import hashlib
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8, SEC1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()


def p384():
    return ec.generate_private_key(ec.SECP384R1())


def make_ed25519():
    return ed25519.Ed25519PrivateKey.generate()


def write(path, data, mode=0o600):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path


def write_private(path, key, encoding=PEM, form=PKCS8, mode=0o600, encryption=PLAIN):
    return write(path, key.private_bytes(encoding, form, encryption), mode)


def write_public(path, key, encoding=PEM):
    return write(path, key.public_key().public_bytes(encoding, SPKI), 0o644)


def key_id(key):
    return hashlib.sha256(key.public_key().public_bytes(DER, SPKI)).hexdigest()


def sign(key, data):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, ec.ECDSA(hashes.SHA384()))


def verifies(key, data, signature):
    try:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            key.public_key().verify(signature, data)
        else:
            key.public_key().verify(signature, data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True
