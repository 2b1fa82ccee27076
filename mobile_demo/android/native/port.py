"""Makes a copy of an Android x86_64 library that glibc loads: port.py IN.so OUT.so

The code stays as it is. Versions of symbols are dropped, and the functions that mean something else in glibc
get an X for their first letter, so that they come from bionic.c.
"""

import struct
import sys
from pathlib import Path

OTHERS = {b"fprintf", b"vfprintf", b"fputc", b"fwrite", b"fflush", b"fclose", b"fileno", b"sysconf"}
DYNAMIC, SYMBOLS = 6, 11
VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}
UNUSED = 0x60000000


def ported(content: bytes) -> bytes:
    """Return the library with other names and without versions."""
    data = bytearray(content)
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    # type, offset, size, link of each section
    sections = [
        (kind, offset, length, link)
        for _, kind, _, _, offset, length, link, *_ in (
            struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)
        )
    ]
    symbols = next(each for each in sections if each[0] == SYMBOLS)
    dynamic = next(each for each in sections if each[0] == DYNAMIC)
    for place in range(dynamic[1], dynamic[1] + dynamic[2], 16):
        if struct.unpack_from("<Q", data, place)[0] in VERSIONS:
            struct.pack_into("<Q", data, place, UNUSED)
    names = sections[symbols[3]][1]
    for place in range(symbols[1], symbols[1] + symbols[2], 24):
        name, _, _, section = struct.unpack_from("<IBBH", data, place)
        start = names + name
        text = bytes(data[start : data.index(0, start)])
        if section == 0 and text in OTHERS:
            if data[start - 1] != 0:
                raise SystemExit(f"port: {text.decode()} shares its letters with another name")
            data[start] = ord("X")
    return bytes(data)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(ported(Path(sys.argv[1]).read_bytes()))
