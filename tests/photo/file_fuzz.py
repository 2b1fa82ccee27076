"""Thousands of damaged pictures and lights: each must be read or refused with one sentence, soon.

python -m tests.photo.file_fuzz 10000
"""

from __future__ import annotations

import io
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, features

from tests.picture_files import (
    ADOBE_RGB,
    GAMMA_22,
    icc_profile,
    orientation_exif,
    png_bytes,
    png_chunk,
    tiff_bytes,
)
from tf_relight.data.pictures import look, read_rgb
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.copying import encode_tiff
from tf_relight.photo.metadata import Metadata, for_copy
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture

LONGEST = 20.0
"""Seconds that one small damaged file may take on a busy machine."""
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 12_000, 40_000)


def pictures() -> dict[str, bytes]:
    """Small whole pictures of every kind that is read."""
    rng = np.random.default_rng(1)
    colour = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    deep = colour.astype(np.uint16) * 257
    rgba = np.dstack([colour, colour[..., :1]])
    found: dict[str, bytes] = {}

    def saved(name: str, kind: str, image: Image.Image | None = None, **options: object) -> None:
        stream = io.BytesIO()
        (image or Image.fromarray(colour)).save(stream, kind, **options)
        found[name] = stream.getvalue()

    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8769] = "Maker", 6, {0xA001: 65535, 0xA005: {1: "R03"}, 0x9003: "2020"}
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    xmp += b"<rdf:Description rdf:about=''/></rdf:RDF></x:xmpmeta>"
    said = {"exif": exif.tobytes(), "xmp": xmp, "icc_profile": icc_profile(ADOBE_RGB, GAMMA_22)}
    saved("jpeg", "JPEG", **said)
    saved("jpeg of printers", "JPEG", Image.fromarray(colour).convert("CMYK"))
    saved("progressive jpeg", "JPEG", progressive=True)
    saved("png", "PNG", dpi=(100, 100))
    saved("palette", "PNG", Image.fromarray(colour).quantize(16), transparency=2)
    saved("webp", "WEBP", **said)
    saved("webp with alpha", "WEBP", Image.fromarray(rgba), lossless=True)
    saved("bmp", "BMP")
    saved("gif", "GIF")
    saved("ppm", "PPM")
    if features.check("avif"):
        saved("avif", "AVIF", exif=exif.tobytes())
    found["turned png"] = png_bytes(
        rgba, png_chunk(b"eXIf", orientation_exif(5)), png_chunk(b"gAMA", b"\0\1\x86\xa0")
    )
    found["deep png"] = png_bytes(
        deep, png_chunk(b"cICP", b"\x09\x10\0\1"), png_chunk(b"tRNS", b"\0\1\0\2\0\3")
    )
    found["deep ppm"] = b"P6 32 24 65535\n" + deep.astype(">u2").tobytes()
    for name, data, options in [
        ("tiff", colour, {"compression": "zlib", "predictor": 2}),
        ("tiff with planes", deep.transpose(2, 0, 1), {"planarconfig": "separate", "rowsperstrip": 5}),
        ("tiled tiff", deep, {"tile": (16, 16), "compression": "zlib"}),
        ("tiff with alpha", rgba, {"extrasamples": ["assocalpha"]}),
        ("float tiff", (colour / 255).astype(np.float32), {"compression": "zlib"}),
    ]:
        stream = io.BytesIO()
        tifffile.imwrite(stream, data, photometric="rgb", **options)
        found[name] = stream.getvalue()
    saved("lzw tiff", "TIFF", compression="tiff_lzw")
    tags = Metadata(exif.tobytes().removeprefix(b"Exif\0\0"), xmp)
    found["tiff with tags"] = encode_tiff(deep, for_copy(tags, (24, 32)))
    saved("jpeg in tiff", "TIFF", compression="jpeg")
    saved("fax", "TIFF", Image.fromarray(colour).convert("1"), compression="group4")
    saved("palette tiff", "TIFF", Image.fromarray(colour).quantize(16))
    found["plain tiff"] = tiff_bytes(rgba, 6)
    return found


def lights() -> dict[str, bytes]:
    """Small whole light files by name; the ending says the kind."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=9) + 1
    rows = np.outer(values, (1, 0.5, 0.2))
    texts = {
        "lines.txt": "\n".join(map(str, values)),
        "german.csv": ";".join(map(str, values)).replace(".", ","),
        "list.txt": str(rows.tolist()),
        "array.txt": repr(rows),
        "sfsnet.txt": "# frame: sfsnet\n" + " ".join(map(str, rows.ravel())),
    }
    found = {name: text.encode() for name, text in texts.items()}
    found["wide.txt"] = texts["lines.txt"].encode("utf-16")
    pixels = rng.random((16, 32, 3), dtype=np.float32) * 9
    for name, shape in (("map.hdr", pixels), ("square.hdr", pixels[:, :16]), ("strip.hdr", pixels[:4, :24])):
        found[name] = cv2.imencode(".hdr", shape)[1].tobytes()
    try:
        import OpenEXR
    except ImportError:
        return found
    with tempfile.TemporaryDirectory() as folder:
        for name, compression in (("zip.exr", OpenEXR.ZIP_COMPRESSION), ("piz.exr", OpenEXR.PIZ_COMPRESSION)):
            path = Path(folder) / name
            header = {"compression": compression, "type": OpenEXR.scanlineimage}
            with OpenEXR.File(header, {"RGB": pixels}) as file:
                file.write(str(path))
            found[name] = path.read_bytes()
    return found


def damaged(rng: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Return the file after a few random mishaps."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        size = max(1, len(data))
        place = int(min(size - 1, rng.exponential(size / 4)))  # headings are more telling than pixels
        match rng.integers(0, 8):
            case 0 | 1:
                for spot in rng.integers(0, size, rng.integers(1, 6)):
                    data[spot : spot + 1] = bytes([rng.integers(0, 256)])
            case 2:
                del data[place:]
            case 3:
                del data[place : place + int(rng.integers(1, 40))]
            case 4:
                data[place:place] = rng.integers(0, 256, rng.integers(1, 40), dtype=np.uint8).tobytes()
            case 5:
                start = int(rng.integers(0, max(1, len(other))))
                data[place:place] = other[start : start + int(rng.integers(1, 400))]
            case 6:
                number = int(rng.choice(_NUMBERS))
                width = int(rng.choice((1, 2, 4)))
                order = "little" if rng.integers(2) else "big"
                data[place : place + width] = (number % (1 << 8 * width)).to_bytes(width, order)
            case _:
                data[place:place] = data[place : place + int(rng.integers(1, 200))] * int(rng.integers(2, 30))
    return bytes(data)


def _read_photo(path: Path) -> str:
    picture = read_picture(path)
    assert np.isfinite(picture.pixels).all() and picture.pixels.min() >= 0 and picture.pixels.max() <= 1
    if picture.pixels.size < 200_000:
        copy = path.with_name("copy" + (".jpg", ".png", ".tif", ".webp")[picture.size[0] % 4])
        write_picture(copy, picture.with_pixels(picture.pixels))
        read_picture(copy)
    return "read"


def _read_training(path: Path) -> str:
    look(path)
    assert read_rgb(path, 16).shape == (16, 16, 3)
    return "read"


def _read_light(path: Path) -> str:
    light = Light.from_hdr(path) if path.suffix in (".hdr", ".exr") else Light.from_file(path)
    assert np.isfinite(light.coefficients).all()
    return "read"


def _outcomes(
    files: dict[str, bytes], readers: tuple[Callable[[Path], str], ...], count: int, seed: int, folder: Path
) -> Iterator[tuple[str, float, str]]:
    rng = np.random.default_rng(seed)
    names = list(files)
    for number in range(count):
        name, other = names[number % len(names)], files[names[rng.integers(len(names))]]
        path = folder / (f"damaged{Path(name).suffix}" if "." in name else "damaged.bin")
        path.write_bytes(damaged(rng, files[name], other))
        for reader in readers:
            began = time.monotonic()
            try:
                outcome = reader(path)
            except RelightError as error:
                one_sentence = "\n" not in str(error) and len(str(error)) < 700
                outcome = "refused" if one_sentence else "refused in many words"
            except Exception:
                outcome = "uncaught"
                kept = folder / f"uncaught-{number}{path.suffix}"
                kept.write_bytes(path.read_bytes())
                traceback.print_exc()
            yield outcome, time.monotonic() - began, f"{name} ({number})"


def fuzz(kind: str, count: int, seed: int, folder: Path) -> Counter[str]:
    """Damage `count` files of a kind, "pictures" or "lights", and count what became of them.

    Pictures go through both readers, that of photos and that of training; both are counted.
    """
    files, readers = (
        (pictures(), (_read_photo, _read_training)) if kind == "pictures" else (lights(), (_read_light,))
    )
    counts: Counter[str] = Counter()
    longest, slowest = 0.0, ""
    for outcome, seconds, name in _outcomes(files, readers, count, seed, folder):
        counts[outcome] += 1
        if seconds > LONGEST:
            counts["too slow"] += 1
        if seconds > longest:
            longest, slowest = seconds, name
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    worst = f"longest {longest:.2f} s ({slowest}); {memory:.0f} MiB at most"
    print(f"{count} damaged {kind}: {dict(counts)}; {worst}")
    return counts


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    chosen = sys.argv[2:3] or ["pictures", "lights"]
    with tempfile.TemporaryDirectory() as place:
        for each in chosen:
            fuzz(each, wanted, int(sys.argv[3]) if len(sys.argv) > 3 else 0, Path(place))
