"""A network that lies: a DHCP server on a QEMU stream netdev (each Ethernet frame behind its length), for tests.

    with Lan(path, lease) as lan:       # lease(kind, count) gives yiaddr and options, or None for silence
        launch(… netdev=lan.netdev …)

Answers ARP for every address but the guest's, so that traffic goes nowhere. Frames are kept in `seen` by kind.
"""
import collections
import os
import socket
import struct
import threading

SERVER = bytes([10, 9, 0, 1])
SERVER_MAC = bytes([2, 0, 0, 0, 0, 1])
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MAGIC = b"\x63\x82\x53\x63"


def options(table):
    return b"".join(bytes([code, len(value)]) + value for code, value in table) + b"\xff"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Lan:
    def __init__(self, path, lease):
        self.path, self.lease, self.seen = path, lease, collections.Counter()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.netdev = f"stream,id=net0,server=off,addr.type=unix,addr.path={path}"
        self.closed = False

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closed = True
        self.listener.close()
        os.unlink(self.path)

    def serve(self):
        while not self.closed:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer_all, args=(connection,), daemon=True).start()

    def answer_all(self, connection):
        with connection, connection.makefile("rb") as stream:
            while len(head := stream.read(4)) == 4:
                frame = stream.read(struct.unpack(">I", head)[0])
                for answer in self.answers(frame):
                    try:
                        connection.sendall(struct.pack(">I", len(answer)) + answer)
                    except OSError:
                        return

    def answers(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06":
            self.seen["arp"] += 1
            return self.arp(frame)
        if kind == b"\x86\xdd":
            self.seen["ipv6"] += 1
        if kind == b"\x08\x00" and frame[23] == 17 and frame[36:38] == b"\0C":
            return self.dhcp(frame)
        if kind == b"\x08\x00":
            self.seen["ipv4"] += 1
            self.seen["tcp"] += frame[23] == 6
            self.seen["to name servers"] += frame[23] in (6, 17) and frame[36:38] == b"\0\x35"
            for word, at in ("from ", 26), ("to ", 30):
                self.seen[word + ".".join(str(byte) for byte in frame[at:at + 4])] += 1
        return []

    @staticmethod
    def arp(frame):
        sender_mac, sender, target = frame[22:28], frame[28:32], frame[38:42]
        if frame[20:22] != b"\0\1" or sender in (target, bytes(4)):  # asks for itself
            return []
        return [sender_mac + SERVER_MAC + b"\x08\x06" + b"\0\1\x08\0\6\4\0\2" + SERVER_MAC + target + sender_mac + sender]

    def dhcp(self, frame):
        request = frame[42:]
        asked = request[240:]
        kind = asked[asked.index(b"\x35\x01") + 2]
        self.seen[kind] += 1
        answer = self.lease(kind, self.seen[kind])
        if answer is None:
            return []
        address, more = answer
        table = [(53, bytes([OFFER if kind == DISCOVER else ACK])), (54, SERVER), *more]
        body = b"\2\1\6\0" + request[4:12] + bytes(4) + address + SERVER + bytes(4) + request[28:44] + bytes(192) + MAGIC
        body += options(table)
        udp = struct.pack(">HHHH", 67, 68, 8 + len(body), 0) + body
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, SERVER, b"\xff" * 4)
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        return [b"\xff" * 6 + SERVER_MAC + b"\x08\x00" + ip + udp]
