#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets into tests/fuzz/corpus/: `tests/fuzz/make-corpus.py`, without arguments.

Each file is one shape that a target knows, good or bad, and is named after it. The folders are written anew, so that
they hold what this file says and nothing else; their contents are committed.
"""
import hashlib
import hmac
import base64
import json
import shutil
import struct
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CORPUS = Path(__file__).resolve().parent / "corpus"


def write(target, files):
    folder = CORPUS / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents if isinstance(contents, bytes) else contents.encode())


# ------------------------------------------------------------------------------------------------------------- texts

LEVELS = "blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84"
KDS = {
    "chain": "/vcek/v1/Milan/cert_chain",
    "chain-vlek": "/vlek/v1/Genoa/cert_chain",
    "crl": "/vcek/v1/Turin/crl",
    "crl-with-query": "/vcek/v1/Turin/crl?x=1",
    "vcek-genoa": f"/vcek/v1/Genoa/{'a1' * 64}?{LEVELS}",
    "vcek-turin": f"/vcek/v1/Turin/{'a1' * 8}?fmcSPL=1&{LEVELS}",
    "vcek-turin-without-fmc": f"/vcek/v1/Turin/{'a1' * 8}?{LEVELS}",
    "vcek-short-id": f"/vcek/v1/Genoa/{'a1' * 8}?{LEVELS}",
    "level-twice": f"/vcek/v1/Genoa/{'a1' * 64}?{LEVELS}&blSPL=1",
    "level-256": f"/vcek/v1/Genoa/{'a1' * 64}?{LEVELS.replace('84', '256')}",
    "level-empty": f"/vcek/v1/Genoa/{'a1' * 64}?{LEVELS.replace('84', '')}",
    "unknown-product": "/vcek/v1/Rome/crl",
    "no-path": "vcek",
    "slashes": "////",
}

EVIDENCE = "GET /aa/evidence?runtime_data="
ATTEST = {
    "plain": EVIDENCE + "xxxx HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "escaped": EVIDENCE + "%7B%22nonce%22%3A%00+~ HTTP/1.1\r\nHost: x\r\n\r\n",
    "half-an-escape": EVIDENCE + "x%4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "empty": EVIDENCE + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "two-parameters": EVIDENCE + "x&runtime_data=y HTTP/1.1\r\nHost: x\r\n\r\n",
    "post": "POST /aa/evidence?runtime_data=x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "with-a-body": EVIDENCE + "x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "resource": "GET /cdh/resource/default/key/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no-http": "runtime_data=x\n",
}

ENCODE = {
    "base64": "Zm9vYmFyIQ==",
    "base64-one-byte": "Zg==",
    "base64-two-bytes": "Zm8=",
    "base64-bits-beyond-the-end": "Zh==",
    "base64-padding-inside": "Zg==Zm9v",
    "base64url": "-_-_Zm9vYg",
    "base64-other-alphabet": "+/-_",
    "hex": "00ffAa9b",
    "hex-odd": "00f",
    "binary": bytes(range(256)),
    "empty": "",
}

JSON = {
    "members": '{"a":1,"b":[true,false,null],"c":{"d":"e"}}',
    "largest-numbers": '{"a":18446744073709551615,"b":-9223372036854775808,"c":-0}',
    "number-too-large": "[18446744073709551616]",
    "float": '{"a":1.5e3}',
    "name-twice": '{"a":1,"a":2}',
    "name-twice-by-escape": '{"a":1,"\\u0061":2}',
    "escapes": '["\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"]',
    "escaped-nul-in-name": '{"a\\u0000b":1}',
    "half-a-surrogate-pair": '["\\ud800"]',
    "utf-8": '{"é€😀":"é€😀"}',
    "utf-8-overlong": b'["\xc0\x80"]',
    "utf-8-surrogate": b'["\xed\xa0\x80"]',
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "eight-deep": "[[[[[[[[1]]]]]]]]",
    "nine-deep": "[[[[[[[[[1]]]]]]]]]",
    "comma-at-the-end": '{"a":[1,],}',
    "comment": '{/* c */"a":1} // d',
    "single-quotes": "{'a':'b'}",
    "words": '{"a":NaN,"b":-Infinity,"c":TRUE}',
    "text-behind": '{"a":1} {}',
    "white-space": ' \t\r\n{ "a" : [ 1 , 2 ] } \n',
    "kbs-challenge": '{"nonce":"bm9uY2U=","extra-params":{"selected-hash-algorithm":"sha384"}}',
    "nul": b'{"a":1\x00}',
    "string-alone": '"x"',
    "number-alone": "1 ",
    "cut": '{"a":[1,{"b":"c',
}

HTTP_PREFIX = {"request": b"\xfe", "response": b"\xff", "small-request": b"\x04"}


def http(side, text, step=3):
    return HTTP_PREFIX[side] + bytes([step]) + text.replace("\n", "\r\n").encode()


HTTP = {
    "get": http("request", "GET /kbs/v0/resource/a/b/c HTTP/1.1\nHost: 10.0.2.2:8443\n\n"),
    "post": http("request", "POST /kbs/v0/auth HTTP/1.1\nContent-Length: 5\nContent-Type: application/json \n\nhello"),
    "post-chunked": http("request", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n3\nabc\n00a\n0123456789\n0\n\n"),
    "chunk-extension": http("request", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n3;a=b\nabc\n0\n\n"),
    "trailer": http("request", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n1\nx\n0\nA: b\n\n"),
    "two-messages": http("request", "GET /1 HTTP/1.1\n\nGET /2 HTTP/1.1\n\n"),
    "two-lengths": http("request", "POST / HTTP/1.1\nContent-Length: 3\nContent-Length: 3\n\nabc"),
    "length-and-chunked": http("request", "POST / HTTP/1.1\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n"),
    "encoding-without-a-name": http("request", "POST / HTTP/1.1\nTransfer-Encoding:\nContent-Length: 1\n\nx"),
    "gzip-and-chunked": http("request", "POST / HTTP/1.1\nTransfer-Encoding: gzip, chunked\n\n0\n\n"),
    "body-too-large": http("small-request", "POST / HTTP/1.1\nContent-Length: 9\n\n123456789"),
    "folded-header": http("request", "GET / HTTP/1.1\nA: b\n c\n\n"),
    "bare-line-feeds": b"\xfe\x01GET / HTTP/1.1\nA: b\n\n",
    "upgrade": http("request", "GET / HTTP/1.1\nConnection: upgrade\nUpgrade: h2c\n\n"),
    "http-1.0": http("request", "GET / HTTP/1.0\n\n"),
    "http-2-preface": http("request", "PRI * HTTP/2.0\n\nSM\n\n"),
    "connect": http("request", "CONNECT a:1 HTTP/1.1\n\n"),
    "ok": http("response", "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 2\n\n{}"),
    "denied": http("response", "HTTP/1.1 401 Unauthorized\nConnection: close\nTransfer-Encoding: chunked\n\n0\n\n"),
    "no-content": http("response", "HTTP/1.1 204 No Content\n\n"),
    "continue": http("response", "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    "no-length": http("response", "HTTP/1.1 200 OK\n\nuntil the end"),
    "empty-headers": http("response", "HTTP/1.1 200\nA:\nB: \t\nContent-Length: 0\n\n"),
}

ENDPOINT = {
    "version-4": "10.0.2.2:8443",
    "version-6": "[fd00::2]:8443",
    "version-6-mapped": "[::ffff:10.0.2.2]:65535",
    "url": "https://10.0.2.2:8443/",
    "name": "broker.example:8443",
    "port-too-large": "10.0.2.2:65536",
    "no-port": "[fd00::2]",
    "scope": "[fe80::1%eth0]:1",
    "leading-zero": "10.0.2.02:08",
}

DIGEST = "5a" * 48
POLICY = {
    "one-measurement": '{"measurements":["' + DIGEST + '"]}',
    "everything": '{"measurements":["' + DIGEST + '","' + "00" * 48 + '"],"allow_debug":true,"allow_migration_agent":'
    'true,"vmpl":3,"host_data":"' + "33" * 32 + '","minimum_tcb":{"fmc":1,"bootloader":4,"tee":2,"snp":24,'
    '"microcode":255}}',
    "every-member": '{"measurements":["' + DIGEST + '"],"manifests":{"signers":["AAECAw==","BAU="],"threshold":2},'
    '"coverage":"image","least_coverage":"firmware+vtpm","allow_vlek":true,"require_revocation_list":true,"guest_policy":'
    '{"required":["smt"],"forbidden":["cxl_allow"]},"platform_info":{"required":["ecc"],"forbidden":["tio"]},"family_id":"'
    + "11" * 16 + '","image_id":"' + "22" * 16 + '","report_data":"' + "44" * 64 + '","id_keys":[{"digest":"' + DIGEST
    + '","minimum_guest_svn":3}],"author_keys":[{"digest":"' + DIGEST + '"}],"minimum_tcb_by_product":{"Milan":{"reported":'
    '{"snp":24},"launch":{"tee":1}},"Turin":{"committed":{"fmc":1}}},"minimum_firmware":{"current":"1.58.3","committed":'
    '"1.55.0"},"mitigations":{"launch":3,"current":18446744073709551615},"products":["Turin","Milan"],"chip_ids":{"allowed":["'
    + "99" * 8 + '","' + "98" * 64 + '"],"denied":["' + "97" * 64 + '"]}}',
    "key-holder": '{"id_keys":[{"digest":"' + DIGEST + '"}]}',
    "contradiction": '{"measurements":["' + DIGEST + '"],"guest_policy":{"required":["debug"]},"products":["Milan"],'
    '"minimum_tcb_by_product":{"Turin":{}},"least_coverage":"image"}',
    "version-too-short": '{"measurements":["' + DIGEST + '"],"minimum_firmware":{"current":"1.58"}}',
    "no-such-bit": '{"measurements":["' + DIGEST + '"],"platform_info":{"required":["fast"]}}',
    "no-measurements": '{"measurements":[]}',
    "short-measurement": '{"measurements":["5a5a"]}',
    "unknown-member": '{"measurements":["' + DIGEST + '"],"debug":true}',
    "vmpl-too-large": '{"measurements":["' + DIGEST + '"],"vmpl":4}',
    "nulls": '{"measurements":["' + DIGEST + '"],"host_data":null,"minimum_tcb":null,"vmpl":null}',
}

# ---------------------------------------------------------------------------------------------------------- firmware

METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
RESET = ("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", 0x80B004))
HASHES = ("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", 0x810C00, 0x400))
OTHER = ("4c2eb361-7d9b-4cc3-8081-127c90d3d294", struct.pack("<II", 0x80C000, 0xC00))
SECTIONS = [(0x800000, 0x9000, 1), (0x80A000, 0x3000, 1), (0x80D000, 0x1000, 2), (0x80E000, 0x1000, 3),
            (0x811000, 0x2000, 4), (0x810000, 0x1000, 0x10)]


def firmware(entries=(OTHER, HASHES, "metadata", RESET), sections=SECTIONS, version=1, count=None, from_end=None):
    """The end of an image: metadata, footer table, reset vector. The target puts zeros before it."""
    metadata = b"ASEV" + struct.pack("<III", 16 + 12 * len(sections), version,
                                     len(sections) if count is None else count)
    metadata += b"".join(struct.pack("<III", *section) for section in sections)
    sizes = sum(len(e[1]) if e != "metadata" else 4 for e in entries) + 18 * len(entries) + 18 + 32
    place = len(metadata) + sizes if from_end is None else from_end
    table = b""
    for entry in entries:
        guid, data = (METADATA, struct.pack("<I", place)) if entry == "metadata" else entry
        table += data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le
    table += struct.pack("<H", len(table) + 18) + uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
    return metadata + table + b"\xf4" * 32


FIRMWARE = {
    "amdsev": firmware(),
    "without-hash-table": firmware(entries=(OTHER, "metadata", RESET)),
    "hash-table-at-0": firmware(entries=((HASHES[0], bytes(8)), "metadata", RESET)),
    "hash-table-too-small": firmware(entries=((HASHES[0], struct.pack("<II", 0x810000, 175)), "metadata", RESET)),
    "hash-table-across-pages": firmware(entries=((HASHES[0], struct.pack("<II", 0x810C01, 0x400)), "metadata", RESET)),
    "two-hash-sections": firmware(sections=SECTIONS + [(0x830000, 0x1000, 0x10)]),
    "no-sections": firmware(sections=[]),
    "sections-overlap": firmware(sections=SECTIONS + [(0x808000, 0x1000, 1)]),
    "section-in-the-firmware": firmware(sections=[(0xFFFFF000, 0x1000, 1)]),
    "section-not-a-page": firmware(sections=[(0x800000, 0x1800, 1)]),
    "section-empty": firmware(sections=[(0x800000, 0, 1)]),
    "section-of-unknown-kind": firmware(sections=[(0x800000, 0x1000, 0x101)]),
    "two-pages-of-secrets": firmware(sections=[(0x800000, 0x2000, 2)]),
    "metadata-version-2": firmware(version=2),
    "metadata-count-too-large": firmware(count=0x15555556),
    "metadata-outside": firmware(from_end=0xFFFFFFF0),
    "reset-block-twice": firmware(entries=(RESET, "metadata", RESET)),
    "reset-block-missing": firmware(entries=(HASHES, "metadata")),
    "reset-block-too-long": firmware(entries=((RESET[0], bytes(8)), "metadata")),
    "metadata-missing": firmware(entries=(HASHES, RESET)),
    "footer-missing": bytes(4096),
}

# ------------------------------------------------------------------------------------------- reports and certificates


def report(version, reserved=(), key_info=0, **fields):
    """1184 bytes; fields by offset, counted from 1 upwards where nothing is said."""
    data = bytearray(1184)
    for start, end in ((0x10, 0x30), (0x50, 0x180), (0x1A0, 0x1E0), (0x2A0, 0x2D0), (0x2E8, 0x318)):
        data[start:end] = bytes((i * 5 + 1) & 0xFF for i in range(end - start))
    struct.pack_into("<IIQ", data, 0, version, 1, 0x30000)
    struct.pack_into("<IIQQI", data, 0x30, 0, 1, 0xDB18000000000004, 0x27, key_info)
    struct.pack_into("<Q", data, 0x180, 0xDB18000000000004)
    struct.pack_into("<Q", data, 0x1E0, 0xDB18000000000004)
    data[0x1E8:0x1EB] = data[0x1EC:0x1EF] = bytes([29, 55, 1])
    struct.pack_into("<Q", data, 0x1F0, 0xDB18000000000004)
    if version >= 3:
        data[0x188:0x18B] = bytes(fields.get("cpu", (0x19, 1, 1)))
    if version >= 5:
        struct.pack_into("<QQ", data, 0x1F8, 1, 3)
    if "chip_id" in fields:
        data[0x1A0:0x1E0] = fields["chip_id"].ljust(64, b"\0")
    for offset in reserved:
        data[offset] = 1
    return bytes(data)


REPORT = {
    "version-2-milan": report(2),
    "version-2-turin": report(2, chip_id=b"\1\2\3\4\5\6\7\x08"),
    "version-2-chip-id-masked": report(2, chip_id=b""),
    "version-3-genoa": report(3, cpu=(0x19, 0x11, 1)),
    "version-3-vlek": report(3, key_info=4),
    "version-4-milan": report(4),
    "version-5-turin": report(5, cpu=(0x1A, 2, 1), chip_id=b"\1\2\3\4\5\6\7\x08"),
    "version-6": report(6),
    "reserved-byte-before-the-signature": report(3, reserved=[0x29F]),
    "reserved-byte-after-the-signature": report(3, reserved=[0x49F]),
    "reserved-bytes-of-later-versions": report(2, reserved=[0x188, 0x1F8]),
    "one-byte-short": report(3)[:-1],
}

VCEK, VLEK = "63da758d-e664-4564-adc5-f4b93be8accd", "a8074bc2-a25a-483e-aae6-39c045a0b8a1"
ASK, ARK = "4ab7b379-bbac-4fe4-a02f-05aef327c782", "c0b406a4-a803-4952-9743-3fb6014cd0ae"


def table(entries, mixed=False, end=True, body=b"certificate bytes " * 10):
    """entries: (GUID, offset behind the head, length)."""
    head = (len(entries) + 1) * 24
    data = b""
    for guid, offset, length in entries:
        data += uuid.UUID(guid).bytes_le if mixed else uuid.UUID(guid).bytes
        data += struct.pack("<II", (head + offset) & 0xFFFFFFFF, length)
    return data + (bytes(24) if end else b"") + body


CERT_TABLE = {
    "vcek-ask-ark": table([(VCEK, 0, 60), (ASK, 60, 60), (ARK, 120, 60)]),
    "vlek-mixed-endian": table([(VLEK, 0, 90)], mixed=True),
    "empty": table([], body=b""),
    "page-of-zeros": bytes(4096),
    "no-end": table([(VCEK, 0, 60)], end=False, body=b""),
    "overlap": table([(VCEK, 0, 60), (ASK, 59, 60)]),
    "in-the-head": table([(VCEK, -1, 60)]),
    "outside": table([(VCEK, 0, 181)]),
    "wrap": table([(VCEK, 0xFFFFFF00, 0x200)]),
    "length-0": table([(VCEK, 0, 0)]),
    "sixteen": table([(ARK, i, 1) for i in range(16)]),
    "seventeen": table([(ARK, i, 1) for i in range(17)]),
}


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + struct.pack(">H", size)
    return bytes([tag]) + length + body


def oid(text):
    numbers = [int(n) for n in text.split(".")]
    body = bytes([numbers[0] * 40 + numbers[1]])
    for n in numbers[2:]:
        septets = [n & 0x7F]
        while n := n >> 7:
            septets.append(n & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return der(6, body)


def integer(value):
    return der(2, bytes([0, value]) if value > 127 else bytes([value]))


def vek(extensions, common_name=b"SEV-VCEK"):
    """A certificate of AMD's shape. Nobody has signed it: that is not what the target looks at."""
    name = der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), der(0x0C, common_name))))
    validity = der(0x30, der(0x17, b"240101000000Z"), der(0x17, b"310101000000Z"))
    # The generator of P-384 stands for a public key.
    point = bytes.fromhex("04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e38"
                          "72760ab73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a"
                          "431d7c90ea0e5f")
    key = der(0x30, der(0x30, oid("1.2.840.10045.2.1"), oid("1.3.132.0.34")), der(3, b"\0", point))
    algorithm = der(0x30, oid("1.2.840.10045.4.3.3"))
    listed = [der(0x30, oid("1.3.6.1.4.1.3704.1." + number), der(4, value)) for number, value in extensions]
    body = der(0x30, der(0xA0, der(2, b"\2")), integer(0), algorithm, name, validity, name, key,
               der(0xA3, der(0x30, *listed)))
    return der(0x30, body, algorithm, der(3, b"\0", der(0x30, integer(1), integer(1))))


def amd(product, hwid=None, fmc=None):
    values = [("1", integer(fmc is not None)), ("2", der(0x16, product)), ("3.1", integer(4)), ("3.2", integer(0)),
              ("3.3", integer(24)), ("3.8", integer(219))]
    if fmc is not None:
        values.append(("3.9", integer(fmc)))
    values.append(("5", der(0x16, b"CN=cc-example")) if hwid is None else ("4", hwid))
    return values


CHIP = bytes(range(64))
VEK = {
    "vcek-milan": vek(amd(b"Milan-B0", CHIP)),
    "vcek-genoa-wrapped-chip-id": vek(amd(b"Genoa", der(4, CHIP))),
    "vcek-turin": vek(amd(b"Turin", CHIP[:8], fmc=1)),
    "vlek-milan": vek(amd(b"Milan") + [("5", der(0x16, b"CN=cloud.example"))], b"SEV-VLEK"),
    "vlek-without-provider": vek(amd(b"Milan"), b"SEV-VLEK"),
    "vcek-turin-without-fmc": vek(amd(b"Turin", CHIP[:8])),
    "extension-missing": vek(amd(b"Milan-B0", CHIP)[:4]),
    "extension-twice": vek(amd(b"Milan-B0", CHIP) + [("3.1", integer(4))]),
    "number-negative": vek([(n, b"\2\1\x80" if n == "3.3" else v) for n, v in amd(b"Milan-B0", CHIP)]),
    "number-not-minimal": vek([(n, b"\2\2\0\x7f" if n == "3.3" else v) for n, v in amd(b"Milan-B0", CHIP)]),
    "unknown-product": vek(amd(b"Rome-B0", CHIP)),
    "chip-id-too-short": vek(amd(b"Milan-B0", CHIP[:63])),
    "other-common-name": vek(amd(b"Milan-B0", CHIP), b"SEV-Milan"),
    "common-name-with-nul": vek(amd(b"Milan-B0", CHIP), b"SEV-VCEK\0"),
    "byte-behind": vek(amd(b"Milan-B0", CHIP)) + b"\0",
}

# ------------------------------------------------------------------------------------------------ envelopes, ID blocks

def envelope(payload="eyJhIjoxfQ==", signatures='{"keyid":"k","sig":"AAEC"}', kind="application/vnd.in-toto+json"):
    return f'{{"payload":"{payload}","payloadType":"{kind}","signatures":[{signatures}]}}'


DSSE = {
    "one-signature": envelope(),
    "not-signed": envelope(signatures=""),
    "same-signature-twice": envelope(signatures='{"keyid":"k","sig":"AAEC"},{"keyid":"l","sig":"AAEC"}'),
    "url-safe": envelope("-_-_Pj8=", '{"sig":"_-8="}'),
    "url-safe-without-padding": envelope("-_-_Pj8", '{"sig":"_-8"}'),
    "both-alphabets": envelope("-_+/Pj8="),
    "padding-too-long": envelope("eyJhIjoxfQ==="),
    "other-type": envelope(kind="text/plain"),
    "type-not-ascii": envelope(kind="t\u00e9"),
    "members-of-others": envelope(signatures='{"sig":"AAEC","cert":"c"}')[:-1] + ',"more":{"a":[]}}',
    "member-twice": envelope()[:-1] + ',"payload":""}',
    "signature-empty": envelope(signatures='{"keyid":"k","sig":""}'),
    "seventeen-signatures": envelope(signatures=",".join(['{"sig":"AA=="}'] * 17)),
    "text-behind": envelope() + "{}",
    "array": "[" + envelope() + "]",
}


def manifest(rows="112", subjects="kf", vcpus=((1, 2),), more=None, **predicate):
    """Rows are vCPU counts, subjects first letters of names; `rows` "112" is wrong, "12" is right."""
    names = {"f": "firmware.fd", "k": "kernel", "p": "../path"}
    whole = {
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:postern:launch-table:v1",
        "subject": [{"name": names[letter], "digest": {"sha256": "ab" * 32}, "annotations": {"size": 7}}
                    for letter in sorted(subjects)],
        "predicate": {
            "inputs": {"firmware": "firmware.fd", "kernel": "kernel", "cmdline": "quiet"},
            "matrix": {"vmms": ["QEMU"], "cpus": [{"type": "EPYC-v4", "signature": 0x800f12}], "guest_features": [1],
                       "vcpus": [{"from": first, "to": last} for first, last in vcpus]},
            "rows": [{"vmm": "QEMU", "vcpu_type": "EPYC-v4", "vcpu_sig": 0x800f12, "guest_features": 1,
                      "vcpus": int(count), "digest": count * 96} for count in rows],
            "tools": [{"name": "gcc", "version": "14"}], **predicate},
        **(more or {})}
    return json.dumps(whole, separators=(",", ":"), sort_keys=True)


MANIFEST = {
    "two-rows": manifest("12"),
    "without-kernel": manifest("12", inputs={"firmware": "firmware.fd"}),
    "counts-apart": manifest("124", vcpus=((1, 2), (4, 4))),
    "row-twice": manifest(),
    "row-missing": manifest("1"),
    "row-too-many": manifest("123"),
    "ranges-touch": manifest("12", vcpus=((1, 1), (2, 2))),
    "path-as-name": manifest("12", subjects="fkp"),
    "name-twice": manifest("12", subjects="ffk"),
    "initrd-of-nothing": manifest("12", inputs={"firmware": "firmware.fd", "kernel": "kernel", "initrd": "i"}),
    "ec2-without-signature": manifest(matrix={"vmms": ["ec2"], "cpus": [], "guest_features": [1],
                                              "vcpus": [{"from": 1, "to": 1}]},
                                      rows="").replace('"rows":[]', '"rows":[{"digest":"' + "1" * 96 +
                                                             '","guest_features":1,"vcpus":1,"vmm":"ec2"}]'),
    "no-cpus": manifest("", matrix={"vmms": ["QEMU"], "cpus": [], "guest_features": [1], "vcpus": []}),
    "other-predicate": manifest("12", more={"predicateType": "https://slsa.dev/provenance/v1"}),
    "unknown-member": manifest("12", more={"extra": 1}),
    "white-space": manifest("12").replace(",", " ,\n"),
    "text-behind": manifest("12") + "{}",
}


def p384_sign(number, data):
    key = ec.derive_private_key(number, ec.SECP384R1())
    return decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384(), deterministic_signing=True)))


def p384_numbers(pair, size):
    return b"".join(n.to_bytes(72, "little") for n in pair).ljust(size, b"\0")


def id_key(number):
    point = ec.derive_private_key(number, ec.SECP384R1()).public_key().public_numbers()
    return struct.pack("<I", 2) + p384_numbers((point.x, point.y), 1024)


def id_block(version=1, policy=0x30000, author=True):
    block = b"\xd1" * 48 + b"\xfa" * 16 + b"\x11" * 16 + struct.pack("<IIQ", version, 1, policy)
    auth = struct.pack("<II", 1, author).ljust(0x40, b"\0") + p384_numbers(p384_sign(3, block), 512) + id_key(3)
    auth = auth.ljust(0x680, b"\0")
    if author:
        auth += p384_numbers(p384_sign(5, id_key(3)), 512) + id_key(5)
    return block + auth.ljust(4096, b"\0")


ID_BLOCK = {
    "with-author": id_block(),
    "without-author": id_block(author=False),
    "version-2": id_block(version=2),
    "policy-without-bit-17": id_block(policy=0),
    "point-not-on-the-curve": id_block()[:96 + 0x244] + b"\1" + id_block()[96 + 0x245:],
    "signature-of-zeros": id_block()[:96 + 0x40] + bytes(512) + id_block()[96 + 0x240:],
    "author-of-ones": id_block()[:96 + 0x884] + b"\xff" * 48 + id_block()[96 + 0x884 + 48:],
    "reserved-byte": id_block()[:-1] + b"\1",
    "cut": id_block()[:-1],
    "byte-behind": id_block() + b"\0",
}

# ------------------------------------------------------------------------------------------------------ LUKS2 headers


def luks2(change=lambda tree: None, keyslot=True, **members):
    """The first 512 bytes of a copy, without its checksum, and its JSON; `change` alters that."""
    slots = {"0": {"type": "luks2", "key_size": 64, "af": {"type": "luks1", "stripes": 4000, "hash": "sha256"},
                   "area": {"type": "raw", "offset": "32768", "size": "258048", "encryption": "aes-xts-plain64",
                            "key_size": 64},
                   "kdf": {"type": "argon2id", "time": 4, "memory": 394206, "cpus": 2, "salt": "A" * 43 + "="}}}
    tree = {"keyslots": slots if keyslot else {}, "tokens": {},
            "segments": {"0": {"type": "crypt", "offset": "16777216", "size": "dynamic", "iv_tweak": "0",
                               "encryption": "aes-xts-plain64", "sector_size": 4096}},
            "digests": {"0": {"type": "pbkdf2", "keyslots": ["0"] if keyslot else [], "segments": ["0"],
                              "hash": "sha256", "iterations": 1000, "salt": "A" * 43 + "=", "digest": "B" * 42 + "A="}},
            "config": {"json_size": "12288", "keyslots_size": "16744448"}}
    change(tree)
    binary = b"LUKS\xba\xbe" + struct.pack(">HQQ", 2, 16384, 3) + b"label".ljust(48, b"\0") + b"sha256".ljust(32, b"\0")
    binary += bytes(64) + b"8f8f281e-0e8f-45a1-aa22-d93b716e9bee".ljust(40, b"\0")
    return binary.ljust(512, b"\0") + json.dumps(tree | members, separators=(",", ":")).encode()


TAGS = {"type": "hmac(sha256)", "journal_encryption": "none", "journal_integrity": "none"}
HEADER = {
    "plain": luks2(),
    "without-keyslot": luks2(keyslot=False),
    "with-tags": luks2(lambda t: t["segments"]["0"].update(integrity=TAGS), keyslot=False),
    "pbkdf2": luks2(lambda t: t["keyslots"]["0"].update(
        kdf={"type": "pbkdf2", "hash": "sha256", "iterations": 1000, "salt": "A" * 43 + "="})),
    "null-cipher": luks2(lambda t: t["segments"]["0"].update(encryption="cipher_null-ecb")),
    "two-segments": luks2(lambda t: t["segments"].update({"1": t["segments"]["0"]})),
    "token": luks2(lambda t: t["tokens"].update({"0": {"type": "x", "keyslots": []}})),
    "requirement": luks2(lambda t: t["config"].update(requirements={"mandatory": ["online-reencrypt-v2"]})),
    "flags": luks2(lambda t: t["config"].update(flags=["allow-discards"])),
    "fixed-size": luks2(lambda t: t["segments"]["0"].update(size="8192", sector_size=512)),
    "unknown-member": luks2(more=1),
    "cut": luks2()[:-1],
}

def volume(length=225728 * 512, label=b"", version=4, interleave=15, tag=32, sections=6, flags=8, block=3):
    """The length, a label, a superblock of dm-integrity."""
    superblock = b"integrt\0" + struct.pack("<BBHIQIBB", version, interleave, tag, sections, length // 512, flags, block, 12)
    return struct.pack("<Q", length) + label.ljust(120, b"\0") + superblock


VOLUME = {
    "right": volume(),
    "label": volume(label=b"PSTNLBL2" + bytes(8) + b"data"),
    "two-areas": volume(length=33554432, sections=1),
    "interleave": volume(interleave=14),
    "dirty-bitmap": volume(flags=12),
    "sections": volume(sections=7),
    "length-odd": volume(length=4097),
    "empty": b"",
}

# ------------------------------------------------------------------------------------------------------------ network

LEASE_WORDS = "interface=eth0\nip=10.9.0.77\nsubnet=255.255.255.0\n"
LEASE = {
    "right": LEASE_WORDS + "router=10.9.0.1\ndns=10.9.0.3 10.9.0.4\nmtu=1400\nlease=600\n",
    "no-router": LEASE_WORDS,
    "host-route": "ip=203.0.113.9\nsubnet=255.255.255.255\nrouter=172.31.1.1\n",
    "router-elsewhere": LEASE_WORDS + "router=8.8.8.8\n",
    "mask-with-holes": "ip=10.9.0.77\nsubnet=255.0.255.0\n",
    "word-twice": LEASE_WORDS + "ip=10.9.0.78\n",
    "mtu-too-long": LEASE_WORDS + "mtu=42949673960\n",
    "resolver-is-text": LEASE_WORDS + "dns=10.9.0.3 $(reboot)\n",
    "empty": "",
}

HEAD = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n'
RESOURCE = '"trustee.kbs.resource" = "kbs+provisioner:///default/4d3e/root"\n'
TOML = {
    "confdata": 'version = "0.1.0"\n\n[data]\n"io.cryptsetup.key.text.root" = "abcdefghijklmnopqrstuvwxyz012345"\n',
    "confdata-two": "version='0.1.0'\n[data]\n'io.cryptsetup.key.text.home'='x' # no\n'io.cryptsetup.key.text.root'='y'",
    "multi-line": "a = \'\'\'\none\r\ntwo\'\'\'\nb = \"\"\"x\\ty\"z\"\"\"\n",
    "escapes": 'a = "\\b\\t\\n\\f\\r\\"\\\\"\n',
    "unicode-escape": 'a = "\\u0041"\n',
    "dotted": "a.b = 'c'\n",
    "duplicate": "a = 'b'\n\"a\" = 'c'\n",
    "number": "a = 1\n",
    "two-tables": "[data]\n[data]\n",
    "array-table": "[[data]]\n",
    "many": "".join(f"k{i} = ''\n" for i in range(33)),
    "key-64": bytes(range(64)),
}
INIT_DATA = {
    "all-names": HEAD + '"postern.name" = "shop-7"\n' + RESOURCE + "\"postern.broker-identity.a\" = \'\'\'{}\'\'\'\n",
    "sha512": HEAD.replace("256", "512"),
    "empty": HEAD,
    "brokers": HEAD + '"brokers" = "x"\n',
    "stock": HEAD + "\"cdh.toml\" = \'\'\'\n[kbc]\nname = \"cc_kbc\"\n\'\'\'\n",
    "resource": "default/volume/data",
    "resource-uri": "kbs+nebula-ca:///a/b/c",
    "resource-dots": "kbs:///a/../c",
}
IDENTITY_TEXT = {
    "version": 1, "name": "a", "addresses": ["https://10.0.2.2:8443", "https://[fd00::2]:443"],
    "spki_sha256": ["11" * 32, "22" * 32], "releases": {"first": 3, "last": 9},
    "record_key": base64.b64encode(ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode(),
}
IDENTITY = {
    "right": json.dumps(IDENTITY_TEXT),
    "no-addresses": json.dumps(IDENTITY_TEXT | {"addresses": []}),
    "backwards": json.dumps(IDENTITY_TEXT | {"releases": {"first": 9, "last": 3}}),
    "key": json.dumps(IDENTITY_TEXT | {"record_key": "AAAA"}),
    "envelope": json.dumps({"payload": "e30=", "signature": "AAAA"}),
}



def rotation(done=1 << 20, logged=0, magic=b"PSTNROT1", key=bytes([1]) + bytes(31)):
    """A slot of a rotation."""
    text = magic + struct.pack("<QQQQ", 7, 3, done, logged) + bytes(32) + b"data".ljust(64, b"\0")
    return text + hmac.new(key, text, hashlib.sha256).digest()


ROTATION = {
    "right": rotation(),
    "logged": rotation(logged=1 << 20),
    "too-much-logged": rotation(logged=1 << 21),
    "odd": rotation(done=5),
    "another-key": rotation(key=bytes(32)),
    "magic": rotation(magic=b"PSTNROT2"),
    "empty": b"",
}


# --------------------------------------------------------------------------------------------------- administration


def admin(verb=2, flags=0, version=0, threshold=0, resource=b"", policy=b"", measurements=0, files=(), form=1):
    text = struct.pack("<BBBQI", form, verb, flags, version, threshold)
    text += struct.pack("<H", len(resource)) + resource + struct.pack("<H", len(policy)) + policy
    text += struct.pack("<H", measurements) + b"\xa5" * 48 * measurements
    return text + bytes([len(files)]) + b"".join(struct.pack("<BH", kind, len(name)) + name for kind, name in files)


ADMIN = {
    "volume-add": admin(1, 1, resource=b"default/volume/data", files=[(1, b"data.record")]),
    "volume-list": admin(2, 2),
    "volume-remove": admin(3, version=7, resource=b"default/volume/data"),
    "secret-add": admin(4, resource=b"a/b/c", policy=b"production", files=[(1, b"secret")]),
    "allow-measurements": admin(5, resource=b"a/b/c", measurements=2),
    "allow-manifest": admin(5, threshold=2, resource=b"a/b/c", files=[(3, b"m"), (4, b"k1"), (4, b"k2")]),
    "policy-set": admin(6, policy=b"production", files=[(2, b"policy.json")]),
    "verb-unknown": admin(15),
    "format-unknown": admin(form=2),
    "flags-unknown": admin(flags=4),
    "version-negative": admin(version=1 << 63),
    "name-unprintable": admin(resource=b"\n"),
    "name-long": admin(resource=b"a" * 193),
    "file-kind-unknown": admin(files=[(6, b"x")]),
    "files-many": admin(files=[(1, b"")] * 19),
    "measurements-many": admin(measurements=529),
    "byte-behind": admin() + b"\0",
    "empty": b"",
}


def tree(version=3, name=b"app", blocks=7, start=7, salt=b"\xab" * 32, salt_size=None, signature=b"0" * 102, more=b""):
    """A signed tree; who signed it is not the parser's business."""
    text = b"PSTNTRE1" + struct.pack("<Q", version) + name.ljust(64, b"\0") + b"r" * 32 + struct.pack("<QQ", blocks, start)
    text += bytes([len(salt) if salt_size is None else salt_size]) + salt.ljust(32, b"\0")
    return text + struct.pack("<H", len(signature)) + signature + more


TREE = {
    "right": tree(),
    "no-salt": tree(salt=b""),
    "salt-too-long": tree(salt_size=33),
    "salt-unpadded": tree(salt_size=8),
    "no-blocks": tree(blocks=0),
    "tree-in-data": tree(start=6),
    "no-signature": tree(signature=b""),
    "long-signature": tree(signature=b"0" * 105),
    "more": tree(more=b"x"),
    "name": tree(name=b"App"),
    "empty": b"",
}

if __name__ == "__main__":
    write("fuzz-toml", TOML)
    write("fuzz-init-data", INIT_DATA)
    write("fuzz-identity", IDENTITY)
    write("fuzz-encode", ENCODE)
    write("fuzz-json", JSON)
    write("fuzz-http", HTTP)
    write("fuzz-endpoint", ENDPOINT)
    write("fuzz-kds", KDS)
    write("fuzz-attest-request", ATTEST)
    write("fuzz-policy", POLICY)
    write("fuzz-firmware", FIRMWARE)
    write("fuzz-report", REPORT)
    write("fuzz-cert-table", CERT_TABLE)
    write("fuzz-vek", VEK)
    write("fuzz-dsse", DSSE)
    write("fuzz-manifest", MANIFEST)
    write("fuzz-id-block", ID_BLOCK)
    write("fuzz-header", HEADER)
    write("fuzz-volume", VOLUME)
    write("fuzz-rotation", ROTATION)
    write("fuzz-tree", TREE)
    write("fuzz-lease", LEASE)
    write("fuzz-admin", ADMIN)
