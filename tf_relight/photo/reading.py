"""Reading a picture from any common file.

Everything a file can add to plain sRGB pixels (orientation, colour, palette, CMYK, transparency, 16 bits) is
resolved here, once. One decoder delivers the pixels of a file: `tiff` for TIFF, pillow-heif for HEIC, Pillow
for the rest. Pillow cuts 16-bit colour to 8 bits; there OpenCV delivers, and both must agree.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tf_relight.errors import RelightError
from tf_relight.photo import containers, encodings, icc, metadata
from tf_relight.photo.colour import linear_to_srgb
from tf_relight.photo.encodings import Encoding
from tf_relight.photo.metadata import Metadata
from tf_relight.photo.picture import Picture, as_float, hidden_filled, turned
from tf_relight.photo.quiet import quiet_stderr
from tf_relight.photo.samples import pixels_8_bit, pixels_16_bit
from tf_relight.photo.tiff import read_tiff

# Only these decoders may run: some others of Pillow start programs (EPS) or read far more than pictures.
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
MAX_PIXELS = 150_000_000
_LARGEST_FILE = 16  # bytes a pixel of the limit
_RAW_SUFFIXES = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG_COLOUR = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"tRNS")
_DEEP_PPM = re.compile(rb"P[56]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*65535\s")
_SRGB = Encoding(None)
_ORIENTATION = 0x0112  # tag of EXIF and TIFF


@dataclass
class _Decoded:
    """Pixels as stored, upright or not yet, with what says what they mean.

    Attributes:
        colour: uint8, uint16 or float32; (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK.
        orientation: 1..8, still to be applied.
        encoding: of colour, where there is no profile.
    """

    colour: np.ndarray
    alpha: np.ndarray | None
    orientation: int
    profile: bytes | None
    encoding: Encoding
    metadata: Metadata
    notes: list[str]


def read_picture(path: Path | str, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file, whatever its name says: PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF, PPM, or HEIC.

    Orientation is applied; colours become sRGB, be they told by an ICC profile, a camera's EXIF, CICP or
    gamma; grey and palette become RGB, CMYK becomes RGB by its profile. Hidden colours, those under alpha 0,
    are replaced by the mean of the visible ones. 16-bit PNG, PPM and TIFF keep their precision; AVIF and HEIC
    are read with 8 bits. Of an animation or a file with several pages the first is read, and `notes` says so.

    Args:
        max_pixels: larger pictures are refused before they are decoded; Pillow's own limit is 178 million.

    Raises:
        RelightError: missing, empty, cut off, not a picture, too large, a kind that is not supported, or HEIC
            without the package for it (it names the extra).
    """
    path = Path(path)
    _check_file(path, max_pixels)
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and about size; size is checked here, metadata is not trusted.
        warnings.simplefilter("ignore")
        try:
            return _finished(path, _decode(path, max_pixels))
        except RelightError:
            raise
        except UnidentifiedImageError as error:
            raise RelightError(
                f"{path} is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF, PPM or "
                "HEIC)."
            ) from error
        except (Image.DecompressionBombError, MemoryError) as error:
            raise RelightError(f"{path} is too large to read. Make it smaller first.") from error
        except Exception as error:
            # On damaged files decoders raise anything from struct.error to IndexError.
            reason = " ".join(str(error).split())[:200]
            raise RelightError(
                f"{path} is damaged or cut off and cannot be read ({reason}). Copy or export it again."
            ) from error


def _check_file(path: Path, max_pixels: int) -> None:
    if path.is_dir():
        raise RelightError(f"{path} is a folder, not a picture file.")
    if not path.exists():
        raise RelightError(f"There is no file {path}. Check the name.")
    if not path.is_file():
        raise RelightError(f"{path} is not an ordinary file.")
    size = path.stat().st_size
    if size == 0:
        raise RelightError(f"{path} is empty (0 bytes). Copy or export it again.")
    if size > (1 << 26) + _LARGEST_FILE * max_pixels:
        raise RelightError(f"{path} is larger than any picture of {max_pixels:,} pixels, which is the limit.")
    if not os.access(path, os.R_OK):
        raise RelightError(f"{path} may not be read. Change its permissions.")
    if path.suffix.lower() in _RAW_SUFFIXES:
        # Many raw files are TIFFs with a thumbnail as first page; reading that would look like success.
        raise RelightError(f"{path} is a camera raw file. Export it as a 16-bit TIFF or a JPEG first.")


def _finished(path: Path, decoded: _Decoded) -> Picture:
    """Return the picture, upright and in sRGB."""
    kind = decoded.colour.dtype
    if decoded.alpha is not None:
        decoded.alpha = np.ascontiguousarray(turned(decoded.alpha, decoded.orientation))
    colour, decoded.colour = turned(decoded.colour, decoded.orientation), np.empty(0)
    pixels, note = _to_srgb(np.ascontiguousarray(colour), decoded.profile, decoded.encoding)
    del colour
    notes = [f"{path.name}{' ' if each.startswith('holds') else ': '}{each}" for each in decoded.notes]
    notes += [f"{path.name}: {note}"] if note else []
    if decoded.alpha is not None:
        pixels = hidden_filled(as_float(pixels), decoded.alpha)
    said = replace(decoded.metadata, turned=decoded.orientation >= 5)
    return Picture(pixels, decoded.alpha, 8 if kind == np.uint8 else 16, tuple(notes), said)


def _decode(path: Path, max_pixels: int) -> _Decoded:
    said: Metadata | None = None
    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(_TIFF_STARTS):
        samples = read_tiff(path, max_pixels)
        said = _tiff_metadata(path)
        if samples is not None:
            is_adobe = metadata.is_adobe_rgb(metadata.load_exif(said.exif))
            encoding = encodings.adobe_rgb() if is_adobe else _SRGB
            notes, turn = list(samples.notes), samples.orientation
            return _Decoded(samples.colour, samples.alpha, turn, samples.profile, encoding, said, notes)
    if head.startswith(b"\xff\xd8"):
        parts = containers.split_jpeg(path.read_bytes())
        with Image.open(BytesIO(parts.plain), formats=["JPEG"]) as image:
            said = Metadata(parts.exif, parts.xmp, parts.iptc, parts.comment, _dpi(image))
            return _by_pillow(path, image, max_pixels, said)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS and b"avif" not in head:
        with _heic(path) as image:
            return _by_pillow(path, image, max_pixels, _pillow_metadata(image))
    with Image.open(path, formats=PILLOW_FORMATS) as image:
        return _by_pillow(path, image, max_pixels, said)


@contextmanager
def _heic(path: Path) -> Iterator[Image.Image]:
    try:
        import pillow_heif
    except ImportError as error:
        raise RelightError(
            f"{path} is a HEIC photo. Install what reads it with: pip install 'tf-relight[heic]', or export "
            "it as JPEG or PNG."
        ) from error
    try:
        with path.open("rb") as stream, closing(pillow_heif.HeifImageFile(stream)) as image:
            yield image
    except RelightError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise RelightError(
            f"{path} is a HEIC photo that is damaged or of an unknown kind ({reason}). Export it as JPEG or "
            "PNG."
        ) from error


def _by_pillow(path: Path, image: Image.Image, max_pixels: int, said: Metadata | None) -> _Decoded:
    width, height = image.size
    if width * height > max_pixels:
        raise RelightError(
            f"{path} has {width} x {height} pixels, more than the limit of {max_pixels:,}. Make it smaller."
        )
    notes = []
    if getattr(image, "is_animated", False) and image.format != "HEIF":
        image.seek(0)
        notes.append("holds several pictures; only the first is used.")
    png = None
    if image.format == "PNG":
        with path.open("rb") as stream:
            png = containers.scan_png(stream, _PNG_COLOUR)
        if png.is_more_than(path.stat().st_size):  # found before memory is spent on it
            raise ValueError("too short for its size")
    is_deep = png is not None and png.bits == 16 or image.format == "PPM" and _is_deep_ppm(path)
    if image.mode == "F" or image.mode.startswith("I") and not is_deep:
        raise RelightError(f"{path} holds 32-bit or floating point values. Save it with 8 or 16 bits.")
    profile = image.info.get("icc_profile")
    with quiet_stderr() if image.format == "TIFF" else nullcontext():
        image.load()
    said = said if said is not None else _pillow_metadata(image)
    exif = metadata.load_exif(said.exif)
    colour, alpha = pixels_16_bit(path, image, png) if is_deep else pixels_8_bit(image, png)
    encoding = _encoding_of(path, image, png, exif)
    if png is not None and len(png.chunks.get(b"cICP", b"")) >= 4:
        profile = None  # it comes first: PNG, third edition, section 4.3
    turn = 1 if image.format == "HEIF" else metadata.orientation(exif, said.xmp)
    if image.format == "TIFF":  # the tag is not among what is kept
        turn = image.getexif().get(_ORIENTATION, 1)
    return _Decoded(colour, alpha, turn, profile, encoding, said, notes)


def _is_deep_ppm(path: Path) -> bool:
    with path.open("rb") as stream:
        return _DEEP_PPM.match(stream.read(4096)) is not None


def _encoding_of(
    path: Path, image: Image.Image, png: containers.PngParts | None, exif: Image.Exif
) -> Encoding:
    """Return what says the colours, apart from ICC."""
    if png is not None:
        chunks = png.chunks
        if len(chunks.get(b"cICP", b"")) >= 4:
            return encodings.from_cicp(chunks[b"cICP"][0], chunks[b"cICP"][1])
        if b"sRGB" in chunks or b"iCCP" in chunks:
            return _SRGB
        if len(chunks.get(b"gAMA", b"")) == 4 or len(chunks.get(b"cHRM", b"")) == 32:
            gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 1e5 if b"gAMA" in chunks else None
            chromaticities = struct.unpack(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else None
            return encodings.from_gamma(gamma, chromaticities and tuple(v / 1e5 for v in chromaticities))
    if image.format in ("AVIF", "HEIF"):
        with path.open("rb") as stream:
            found = containers.find_nclx(stream)
        if found is not None:
            return encodings.from_cicp(*found)
    return encodings.adobe_rgb() if metadata.is_adobe_rgb(exif) else _SRGB


# -- Metadata ------------------------------------------------------------------------------------------------


def _pillow_metadata(image: Image.Image) -> Metadata:
    """Return what Pillow found in a PNG, WebP, AVIF, BMP, GIF, PPM or HEIC that is decoded."""
    info = image.info
    text = getattr(image, "text", None) or {}
    words = tuple((str(key), str(value)) for key, value in text.items() if _is_plain_text(str(key), value))
    return Metadata(
        exif=_block(info.get("exif")).removeprefix(b"Exif\0\0"),
        xmp=_block(info.get("xmp")) or _block(text.get("XML:com.adobe.xmp")),
        iptc=_raw_profile(str(text.get("Raw profile type iptc", ""))),
        dpi=_dpi(image),
        text=words,
    )


def _is_plain_text(key: str, value: object) -> bool:
    return not key.startswith(("XML:com.adobe.xmp", "Raw profile type")) and len(str(value)) <= 1 << 20


def _block(value: object) -> bytes:
    block = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
    return block if len(block) <= metadata.LARGEST_BLOCK else b""


def _raw_profile(text: str) -> bytes:
    """Return the bytes that ImageMagick writes into PNG text as hexadecimal digits."""
    try:
        block = bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return b""
    found = block.find(b"8BIM\x04\x04")
    return containers.iptc_of(block[found:]) if found >= 0 else block


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None


def _tiff_metadata(path: Path) -> Metadata:
    """Return the tags of a TIFF as EXIF, and its XMP and IPTC."""
    exif = Image.Exif()
    try:
        with path.open("rb") as stream:
            exif.load_from_fp(stream)
            return metadata.of_tiff(exif)
    except Exception:  # broken tags must not cost the picture
        return Metadata()


# -- Colour -------------------------------------------------------------------------------------------------


def _to_srgb(colour: np.ndarray, profile: bytes | None, encoding: Encoding) -> tuple[np.ndarray, str]:
    """Return sRGB (H, W, 3), as stored or float32, and a note, for example when the profile is of no use."""
    note = ""
    if profile:
        try:
            converted = icc.to_srgb(colour, profile)
            if converted is not None:
                return converted, ""
        except ValueError:
            note = "its colour profile is broken or of another colour space and was ignored."
    if colour.ndim == 3 and colour.shape[2] == 4:
        cmyk = Image.frombytes("CMYK", (colour.shape[1], colour.shape[0]), colour.tobytes())
        colour = np.asarray(cmyk.convert("RGB"))
    elif colour.dtype.kind == "f":
        return _from_float(colour, bool(profile) and not note)
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    if not profile and encoding.profile is not None:
        return encoding.profile.convert(colour), encoding.note
    return np.ascontiguousarray(colour), note or ("" if profile else encoding.note)


def _from_float(colour: np.ndarray, is_srgb: bool) -> tuple[np.ndarray, str]:
    """Return sRGB of floating point RGB without a profile that could be converted."""
    if is_srgb or colour.max() <= 1:
        note = "" if is_srgb else "its floating point values have no colour profile and were read as sRGB."
        return np.clip(colour, 0, 1), note
    linear = encodings.roll_off(np.maximum(colour, 0))
    note = "its floating point values go above 1 and were read as linear light; highlights were compressed."
    return np.clip(linear_to_srgb(linear), 0, 1), note
