"""Reading a picture from any common file.

Everything a file can add to plain sRGB pixels (orientation, colour profile, palette, CMYK, transparency,
16 bits) is resolved here, once. Pillow reads headers, EXIF, profiles and 8-bit pixels; OpenCV reads 16-bit
colour, which Pillow cuts to 8 bits.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from tf_relight.errors import RelightError
from tf_relight.photo import icc
from tf_relight.photo.picture import Picture

# Only these decoders may run: some others of Pillow start programs (EPS) or read far more than pictures.
_READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
MAX_PIXELS = 150_000_000
_RAW_SUFFIXES = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw")
_ORIENTATION = 0x0112  # EXIF and TIFF tag
_TIFF_BITS, _TIFF_SAMPLE_FORMAT = 258, 339


def read_picture(path: Path | str, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file, whatever its name says: PNG, JPEG, WebP, TIFF, BMP, AVIF or GIF.

    EXIF orientation is applied, ICC profiles are converted to sRGB, grey and palette become RGB, CMYK becomes
    RGB by its profile. 16-bit PNG and TIFF keep their precision; AVIF is read with 8 bits. Of an animation
    or a file with several pages the first is read, and `notes` says so.

    Args:
        max_pixels: larger pictures are refused before they are decoded; Pillow's own limit is 178 million.

    Raises:
        RelightError: missing, empty, cut off, not a picture, too large, or a kind that is not supported.
    """
    path = Path(path)
    _check_file(path)
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and about size; size is checked here, metadata is not used.
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_READABLE) as image:
                return _decode(path, image, max_pixels)
        except RelightError:
            raise
        except UnidentifiedImageError as error:
            raise RelightError(_not_a_picture(path)) from error
        except (Image.DecompressionBombError, MemoryError) as error:
            raise RelightError(f"{path} is too large to read. Make it smaller first.") from error
        except Exception as error:
            # On damaged files decoders raise anything from struct.error to IndexError.
            raise RelightError(
                f"{path} is damaged or cut off and cannot be read ({error}). Copy or export it again."
            ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise RelightError(f"{path} is a folder, not a picture file.")
    if not path.exists():
        raise RelightError(f"There is no file {path}. Check the name.")
    if not path.is_file():
        raise RelightError(f"{path} is not an ordinary file.")
    if path.stat().st_size == 0:
        raise RelightError(f"{path} is empty (0 bytes). Copy or export it again.")
    if not os.access(path, os.R_OK):
        raise RelightError(f"{path} may not be read. Change its permissions.")
    if path.suffix.lower() in _RAW_SUFFIXES:
        # Many raw files are TIFFs with a thumbnail as first page; reading that would look like success.
        raise RelightError(f"{path} is a camera raw file. Export it as a 16-bit TIFF or a JPEG first.")


def _not_a_picture(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(32)
    if head[4:8] == b"ftyp" and any(brand in head for brand in (b"heic", b"heix", b"mif1", b"hevc")):
        return f"{path} is a HEIC photo, which is not supported. Export it as JPEG or PNG first."
    return f"{path} is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP, AVIF or GIF)."


def _decode(path: Path, image: Image.Image, max_pixels: int) -> Picture:
    width, height = image.size
    if width * height > max_pixels:
        raise RelightError(
            f"{path} has {width} x {height} pixels, more than the limit of {max_pixels:,}. Make it smaller."
        )
    notes = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        image.seek(0)
        notes.append(f"{path.name} holds several pictures; only the first is used.")
    bits, is_float = _precision(path, image)
    if is_float or image.mode in ("I", "F"):
        raise RelightError(f"{path} holds 32-bit or floating point values. Save it with 8 or 16 bits.")
    profile = image.info.get("icc_profile")
    # Pillow decodes in full even where OpenCV delivers the pixels: it refuses files that are cut off, OpenCV
    # fills them with grey.
    image.load()
    if bits == 16:
        colour, alpha = _pixels_16_bit(path, image)
    else:
        colour, alpha = _pixels_8_bit(image)
    pixels, note = _to_srgb(colour, profile)
    if note:
        notes.append(f"{path.name}: {note}")
    return Picture(pixels, alpha, bits, tuple(notes))


def _precision(path: Path, image: Image.Image) -> tuple[int, bool]:
    """Return (8 or 16, whether the samples are floating point) from the header."""
    if image.format == "PNG":
        with path.open("rb") as stream:
            return (16 if stream.read(25)[24] == 16 else 8), False
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = max(np.atleast_1d(tags.get(_TIFF_BITS, 1)))
        is_float = bool(np.any(np.atleast_1d(tags.get(_TIFF_SAMPLE_FORMAT, 1)) == 3)) or bits > 16
        return (16 if bits > 8 and image.mode != "CMYK" else 8), is_float
    return 8, False


def _pixels_8_bit(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint8 colour (H, W), (H, W, 3) or (H, W, 4) CMYK, and float32 alpha."""
    # A broken EXIF block must not cost the picture.
    try:
        image = ImageOps.exif_transpose(image) or image
    except Exception:
        image = image.copy()
    alpha = None
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        grey = image.mode in ("LA", "La", "L")
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))[..., None].astype(np.float32) / 255
        image = image.convert("RGB").getchannel(0) if grey else image.convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    return np.asarray(image), alpha


def _pixels_16_bit(path: Path, image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return uint16 colour (H, W) or (H, W, 3), and float32 alpha."""
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16:
        raise RelightError(f"{path} is an unusual 16-bit {image.format}. Save it as a 16-bit PNG.")
    if image.format != "TIFF":  # OpenCV turns TIFF itself
        decoded = _turn(decoded, image.getexif().get(_ORIENTATION, 1))
    if decoded.ndim == 2:
        return decoded, None
    if decoded.shape[2] == 4:
        return decoded[..., 2::-1], decoded[..., 3:].astype(np.float32) / 65535
    return decoded[..., ::-1], None


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels the right way up; `orientation` is EXIF's 1..8 (5..8 swap height and width)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _to_srgb(colour: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, str]:
    """Return float32 sRGB (H, W, 3) and a note when the profile could not be used."""
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
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    return colour.astype(np.float32) / np.float32(np.iinfo(colour.dtype).max), note
