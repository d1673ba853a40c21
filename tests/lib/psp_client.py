"""Talks to postern-psp as the shim in a guest does, without a guest: signed reports for tests.

    report = psp_client.report("psp.sock", report_data)          # 1184 bytes

The wire is described in psp/psp.h. A Line is one connection; postern-psp serves one at a time.
"""
import os
import socket
import struct
import zlib

MAGIC = b"\x9bPSP"
VERSION = 1
REPORT, EXTENDED_REPORT, DERIVED_KEY, ANSWER, ERROR = 1, 2, 3, 0x80, 0xFF
REPORT_BYTES = 1184
HEAD = struct.Struct("<4sBBHII")


class Refused(Exception):
    """postern-psp did not understand the request; its sentence."""


class Failed(Exception):
    """The firmware or the host refused: firmware_error, host_error, certificates_needed, status."""

    def __init__(self, firmware_error=0, host_error=0, certificates_needed=0, status=0):
        super().__init__(f"firmware error {firmware_error:#x}, host error {host_error}, status {status:#x}")
        self.firmware_error, self.host_error = firmware_error, host_error
        self.certificates_needed, self.status = certificates_needed, status


def frame(kind, identity, payload, version=VERSION, zero=0):
    head = HEAD.pack(MAGIC, version, kind, zero, identity, len(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload + struct.pack("<I", zlib.crc32(payload))


def report_message(report_data, vmpl=0, key_select=0):
    return report_data + struct.pack("<II", vmpl, key_select) + bytes(24)


def key_message(root=0, fields=0, vmpl=0, svn=0, tcb=0):
    return struct.pack("<IIQIIQ", root, 0, fields, vmpl, svn, tcb)


class Line:
    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("postern-psp closed the connection")
            data += more
        return data

    def receive(self):
        """(kind, id, payload) of the next frame; a socket loses nothing, so anything else is an error."""
        head = self._exactly(HEAD.size + 4)
        magic, version, kind, _, identity, size = HEAD.unpack(head[:HEAD.size])
        assert magic == MAGIC and version == VERSION, head
        assert struct.unpack("<I", head[HEAD.size:])[0] == zlib.crc32(head[:HEAD.size])
        payload = self._exactly(size)
        assert struct.unpack("<I", self._exactly(4))[0] == zlib.crc32(payload)
        return kind, identity, payload

    def request(self, kind, message, room=0, version=1):
        """(message, certificates) of the answer."""
        identity = int.from_bytes(os.urandom(4), "little")
        self.send(frame(kind, identity, struct.pack("<II", version, room) + message))
        answered, answered_identity, payload = self.receive()
        if answered == ERROR:
            raise Refused(payload.decode())
        assert (answered, answered_identity) == (kind | ANSWER, identity)
        firmware_error, host_error, needed, size = struct.unpack_from("<IIII", payload)
        if firmware_error or host_error:
            raise Failed(firmware_error, host_error, needed)
        answer, certificates = payload[16:16 + size], payload[16 + size:]
        status = struct.unpack_from("<I", answer)[0]
        if status:
            raise Failed(status=status)
        return answer, certificates

    def report(self, report_data, vmpl=0, key_select=0):
        answer, _ = self.request(REPORT, report_message(report_data, vmpl, key_select))
        assert struct.unpack_from("<I", answer, 4)[0] == REPORT_BYTES
        return answer[32:]

    def extended_report(self, report_data, vmpl=0, room=16384):
        """(report, certificate table), the table b"" when the host attaches none."""
        answer, certificates = self.request(EXTENDED_REPORT, report_message(report_data, vmpl), room)
        return answer[32:], certificates

    def derived_key(self, **fields):
        answer, _ = self.request(DERIVED_KEY, key_message(**fields))
        return answer[32:]


def report(path, report_data, vmpl=0):
    """A signed report of 1184 bytes over 64 bytes of REPORT_DATA from the postern-psp that listens at `path`."""
    with Line(path) as line:
        return line.report(report_data, vmpl)


def extended_report(path, report_data, vmpl=0):
    """(report, certificate table)."""
    with Line(path) as line:
        return line.extended_report(report_data, vmpl)
