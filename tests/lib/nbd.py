"""A block device that lies: an NBD server (fixed newstyle) over a file, for tests.

    with nbd.Server("disk.img") as disk:
        disk.read = lambda offset, data, times: …    # `times`: how often this place was read before
        Probe(world, record, plan, disk)

Hooks: `read(offset, data, times)` gives what a read returns, or None for an error; `stall` is an Event that holds every
answer back while it is set; `size` is what the client is told. All writes are recorded, in their order, with flushes.
`on_write(offset, data)` sees each write before it counts; where it gives True the write goes nowhere, and None is an
error. `image`, a bytearray, takes the file's place.
"""
import contextlib
import os
import socket
import struct
import tempfile
import threading

MAGIC, OPTION_MAGIC, REPLY_MAGIC = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
FLAGS = 1 | 4  # has flags, sends flushes
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO = 1, 2, 3, 6, 7
REP_ACK, REP_INFO, REP_UNSUPPORTED = 1, 3, (1 << 31) | 1
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
EIO = 5
BLOCK = 4096


class Server:
    def __init__(self, path, size=None):
        self.file = open(path, "r+b", buffering=0)
        self.size = size or os.path.getsize(path)
        self.read = lambda offset, data, times: data
        self.stall = threading.Event()
        self.writes, self.times, self.reads = [], {}, 0
        self.on_write = lambda offset, data: False
        self.image = None
        self.folder = tempfile.mkdtemp(prefix="postern-nbd.")
        self.path = os.path.join(self.folder, "socket")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
            os.rmdir(self.folder)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _exactly(client, size):
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _serve(self, client):
        with client, contextlib.suppress(ConnectionError, OSError, ValueError):
            if self._negotiate(client):
                while self._request(client):
                    pass

    def _negotiate(self, client):
        client.sendall(struct.pack(">QQH", MAGIC, OPTION_MAGIC, 1))
        self._exactly(client, 4)
        while True:
            _, option, size = struct.unpack(">QII", self._exactly(client, 16))
            self._exactly(client, size)
            if option == OPT_EXPORT_NAME:
                client.sendall(struct.pack(">QH", self.size, FLAGS) + bytes(124))
                return True
            if option in (OPT_GO, OPT_INFO):
                info = struct.pack(">HQH", 0, self.size, FLAGS)
                client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REP_INFO, len(info)) + info)
                client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REP_ACK, 0))
                if option == OPT_GO:
                    return True
            elif option == OPT_ABORT:
                return False
            else:
                client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REP_UNSUPPORTED, 0))

    def _answer(self, offset, size):
        """What a read gives: block by block, each with how often it was read before."""
        if self.image is not None:
            data = bytes(self.image[offset:offset + size])
        else:
            self.file.seek(offset)
            data = self.file.read(size)
        data = data.ljust(size, b"\0")
        result = b""
        for at in range(0, size, BLOCK):
            place = offset + at
            times = self.times.get(place, 0)
            self.times[place] = times + 1
            part = self.read(place, data[at:at + BLOCK], times)
            if part is None:
                return None
            result += part
        return result

    def _write(self, offset, payload):
        swallowed = self.on_write(offset, payload)
        if swallowed is None:
            return EIO
        if swallowed:
            return 0
        self.writes.append((offset, payload))
        if self.image is not None:
            self.image[offset:offset + len(payload)] = payload
        else:
            self.file.seek(offset)
            self.file.write(payload)
        return 0

    def _request(self, client):
        magic, _, kind, handle, offset, size = struct.unpack(">IHHQQI", self._exactly(client, 28))
        assert magic == REQUEST_MAGIC
        payload = self._exactly(client, size) if kind == WRITE else b""
        if kind == DISCONNECT:
            return False
        while self.stall.is_set():
            self.stall.wait(0.1)
        data, error = b"", 0
        with self.lock:
            if kind == READ:
                self.reads += 1
                data = self._answer(offset, size)
                data, error = (b"", EIO) if data is None else (data, 0)
            elif kind == WRITE:
                error = self._write(offset, payload)
            elif kind == FLUSH:
                self.writes.append((None, b""))
        client.sendall(struct.pack(">IIQ", ANSWER_MAGIC, error, handle) + data)
        return True


def qemu_with(path, servers):
    """A program that is QEMU, with servers in the place of these disk files; {file: server}."""
    places = {f"file.driver=file,file.filename={name}": f"file.driver=nbd,file.server.type=unix,file.server.path={server.path}"
              for name, server in servers.items()}
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""#!/usr/bin/env python3
import os, sys
words = sys.argv[1:]
for old, new in {places!r}.items():
    words = [word.replace(old, new) if word.endswith(old) else word for word in words]
os.execvp("qemu-system-x86_64", ["qemu-system-x86_64", *words])
""")
    os.chmod(path, 0o755)
    return path
