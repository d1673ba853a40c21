"""Volume records, read by a second implementation."""
import struct


def fields_of(path):
    """A record's fields, by docs/volume-record.md."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"PSTNVOL2"
    words, at = [], 8
    for _ in range(3):
        words.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    numbers = struct.unpack_from("<IQQQQB", data, at)
    at += 37
    mac = data[at:at + numbers[5]]
    at += numbers[5]
    return {"id": words[0], "cipher": words[1], "integrity": words[2], "sector_size": numbers[0], "offset": numbers[1],
            "length": numbers[2], "layout": numbers[3], "mac": mac, "state": data[at], "key": data[at + 2:]}
