"""Makes a copy of an Android x86_64 library that glibc loads, and what it wants: make_library.py IN.so FOLDER

The code stays as it is. Versions of symbols are dropped, and the functions that mean something else in glibc
get an X for their first letter, so that they come from bionic.c. Needs Python and gcc alone.
"""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

OTHERS = {b"fprintf", b"vfprintf", b"fputc", b"fwrite", b"fflush", b"fclose", b"fileno", b"sysconf"}
DYNAMIC, SYMBOLS = 6, 11
VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}
UNUSED = 0x60000000
NAME = "libtensorflowlite_jni.so"


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
                raise SystemExit(f"make_library: {text.decode()} shares its letters with another name")
            data[start] = ord("X")
    return bytes(data)


def make(android: bytes, folder: Path, compiler: str = "gcc") -> None:
    """Write the library and those that it asks for by bionic's names into a folder."""
    shared = [compiler, "-shared", "-fPIC", "-O1"]
    source = Path(__file__).with_name("bionic.c")
    libraries = [
        [*shared, "-Wl,-soname,libc.so", "-o", folder / "libc.so", source, "-l:libc.so.6"],
        *(
            [
                *[*shared, "-x", "c", "/dev/null", f"-Wl,-soname,lib{name}.so", "-Wl,--no-as-needed"],
                *["-o", folder / f"lib{name}.so", "-l:libm.so.6", "-l:libc.so.6"],
            ]
            for name in ("m", "dl", "log")
        ),
    ]
    for command in libraries:
        subprocess.run([str(word) for word in command], check=True)
    (folder / NAME).write_bytes(ported(android))


if __name__ == "__main__":
    out = Path(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    make(Path(sys.argv[1]).read_bytes(), out)
