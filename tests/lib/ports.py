"""A TCP port for a server that a test starts a moment later."""
import random
import socket

# Linux gives the ports from 32768 on to connections that go out, and tests that run beside this one make thousands.
_draw = random.SystemRandom()


def free_port():
    while True:
        port = _draw.randrange(10240, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
