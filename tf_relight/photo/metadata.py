"""What a picture file says beside its pixels: EXIF, XMP, IPTC, resolution, text; kept for the copy.

A copy is upright, sRGB, of its own size and without the original's thumbnail; what says otherwise is mended
here. That its light was changed is said by IPTC's digital source type.
"""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import dataclass, field
from typing import Any
from xml.dom import minidom

from PIL import Image

LARGEST_BLOCK = 4 << 20
"""Bytes of EXIF, XMP, IPTC or text that are looked at; more is left out."""
MAKER_NOTE = 0x927C
_HEADING = b"Exif\0\0"
_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x0112, 282, 283, 296
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_COLOUR_SPACE, _WIDTH, _HEIGHT, _INDEX = 0xA001, 0xA002, 0xA003, 1
# How pixels are stored in a TIFF, thumbnails, and what an sRGB copy must not say about colour.
_STRUCTURE = {*range(254, 260), 262, 263, 264, 265, 266, 273, *range(277, 282), 284, *range(288, 294), 297}
_STRUCTURE |= {301, *range(317, 326), 330, *range(332, 348), *range(512, 522), *range(529, 533)}
_STRUCTURE |= {700, 33723, 34377, 34675, 37724, *range(50706, 51042)}
_EXIF_COLOUR = (0xA500,)  # gamma
_XMP, _IPTC = 700, 33723  # in TIFF

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF_NAMES, _EXIF_NAMES = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_IPTC_NAMES = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# Films, depth and gain maps that lie in or behind the original, and what XMP says about its pixels.
_OTHER_PIXELS = (
    "http://ns.google.com/photos/1.0/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.adobe.com/xmp/note/",
)
_ABOUT_PIXELS = {
    (_TIFF_NAMES, name) for name in ("ImageWidth", "ImageLength", "BitsPerSample", "Compression")
} | {
    (_EXIF_NAMES, "Gamma"),
    ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
    (_IPTC_NAMES, "DigitalSourceType"),
}
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""A photo of which a trained network made a part: here, its light."""
_EMPTY_XMP = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'
).encode()


@dataclass(frozen=True)
class Metadata:
    """As read from a file.

    Attributes:
        exif: a TIFF block without the heading "Exif". xmp: a packet. iptc: IIM records. comment: of JPEG.
        dpi: dots per inch, across and down. text: keywords and words of PNG.
        turned: whether the picture was turned by 90 degrees to stand upright.
        changed: whether the pixels are no longer those of the file.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    turned: bool = False
    changed: bool = False


@dataclass(frozen=True)
class ForCopy:
    """What is to be written into a copy; the fields are those of `Metadata`."""

    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def load_exif(block: bytes) -> Image.Exif:
    """Return the parsed EXIF block; an empty one where it is damaged or too large."""
    exif = Image.Exif()
    if 8 < len(block) <= LARGEST_BLOCK:
        try:
            exif.load(block if block.startswith(_HEADING) else _HEADING + block)
        except Exception:  # a broken EXIF block must not cost the picture
            return Image.Exif()
    return exif


def of_tiff(exif: Image.Exif) -> Metadata:
    """Return the tags of a TIFF's first page, as `PIL.Image.Exif` read them, without those about pixels."""
    xmp, iptc = _get(exif, _XMP), _get(exif, _IPTC)
    if isinstance(iptc, tuple):
        iptc = struct.pack(f"{exif.endian or '<'}{len(iptc)}I", *iptc)
    per_inch = {2: 1.0, 3: 2.54}.get(_get(exif, _UNIT) or 2)
    dpi = None
    try:
        across, down = (float(exif[tag]) * (per_inch or 0) for tag in (_X_RESOLUTION, _Y_RESOLUTION))
        dpi = (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass
    _drop_what_cannot_be_written(exif)
    block = exif.tobytes().removeprefix(_HEADING) if len(exif) else b""
    return Metadata(exif=block, xmp=xmp if isinstance(xmp, bytes) else b"", iptc=iptc or b"", dpi=dpi)


def orientation(exif: Image.Exif, xmp: bytes) -> int:
    """Return 1..8 as EXIF says it, or else XMP."""
    value = _get(exif, _ORIENTATION)
    if value is None:
        found = re.search(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])", xmp[:LARGEST_BLOCK])
        value = int(found[1]) if found else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether a camera says that its colours are Adobe RGB. Source: DCF 2.0, optional colour space."""
    try:
        details = exif.get_ifd(_EXIF)
        index = exif.get_ifd(_INTEROPERABILITY).get(_INDEX, "")
        index = index.decode("latin-1") if isinstance(index, bytes) else str(index)
        return details.get(_COLOUR_SPACE) == 2 or details.get(_COLOUR_SPACE) != 1 and index[:3] == "R03"
    except Exception:  # damaged
        return False


def for_copy(metadata: Metadata, size: tuple[int, int]) -> ForCopy:
    """Return what a copy of a size (height, width) should say.

    What cannot be read is left out; `notes`, sentences without a subject, say so.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about damaged tags, which are left out
        return _for_copy(metadata, size)


def _for_copy(metadata: Metadata, size: tuple[int, int]) -> ForCopy:
    notes = []
    exif = load_exif(metadata.exif)
    if metadata.exif and not len(exif):
        notes.append("its EXIF data is damaged and was left out.")
    try:
        exif = _mended_exif(exif, size, metadata.turned)
    except Exception:
        exif = Image.Exif()
        notes.append("its EXIF data is damaged and was left out.")
    xmp = metadata.xmp
    if xmp or metadata.changed:
        try:
            xmp = _mended_xmp(xmp or _EMPTY_XMP, size, metadata.changed)
        except Exception:
            notes.append("its XMP data is damaged and was left out.")
            xmp = _mended_xmp(_EMPTY_XMP, size, metadata.changed) if metadata.changed else b""
    dpi = metadata.dpi
    if dpi is not None and metadata.turned:
        dpi = dpi[::-1]
    return ForCopy(exif, xmp, metadata.iptc, metadata.comment, dpi, metadata.text, tuple(notes))


def _get(exif: Image.Exif, tag: int) -> Any:
    try:
        return exif.get(tag)
    except Exception:
        return None


def _mended_exif(exif: Image.Exif, size: tuple[int, int], turned: bool) -> Image.Exif:
    _drop_what_cannot_be_written(exif)
    if _ORIENTATION in exif:
        exif[_ORIENTATION] = 1
    if turned and _X_RESOLUTION in exif and _Y_RESOLUTION in exif:
        exif[_X_RESOLUTION], exif[_Y_RESOLUTION] = exif[_Y_RESOLUTION], exif[_X_RESOLUTION]
    if _EXIF in exif:
        details = exif.get_ifd(_EXIF)
        for tag, value in ((_WIDTH, size[1]), (_HEIGHT, size[0]), (_COLOUR_SPACE, 1)):
            if tag in details:
                details[tag] = value
        for tag in _EXIF_COLOUR:
            details.pop(tag, None)
        if _INTEROPERABILITY in details:
            interoperability = exif.get_ifd(_INTEROPERABILITY)
            if _INDEX in interoperability:
                interoperability[_INDEX] = "R98"  # sRGB
    exif.tobytes()
    return exif


def _drop_what_cannot_be_written(exif: Image.Exif) -> None:
    """Leave out tags about how pixels are stored, and damaged ones, which must not cost the others."""
    for tag in list(exif):
        one = Image.Exif()
        try:
            if tag in _STRUCTURE:
                raise ValueError("not for a copy")
            one[tag] = exif.get_ifd(tag) if tag in (_EXIF, _GPS) else exif[tag]
            one.tobytes()
        except Exception:
            del exif[tag]


def _mended_xmp(packet: bytes, size: tuple[int, int], changed: bool) -> bytes:
    if len(packet) > LARGEST_BLOCK or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise ValueError("XMP out of order")
    start, end = packet.find(b"<x:xmpmeta"), packet.rfind(b"</x:xmpmeta>")
    if start < 0 or end < 0:
        start, end = packet.find(b"<rdf:RDF"), packet.rfind(b"</rdf:RDF>")
    closing = packet.find(b">", end) + 1
    document = minidom.parseString(packet[start:closing] if 0 <= start < end else packet.strip(b"\0 \r\n"))
    roots = document.getElementsByTagNameNS(_RDF, "RDF")
    if not roots:
        raise ValueError("XMP without RDF")
    mend = {(_TIFF_NAMES, "Orientation"): "1", (_EXIF_NAMES, "ColorSpace"): "1"}
    mend |= {(_EXIF_NAMES, "PixelXDimension"): str(size[1]), (_EXIF_NAMES, "PixelYDimension"): str(size[0])}
    for description in [n for n in roots[0].childNodes if n.nodeType == n.ELEMENT_NODE]:
        for attribute in list(description.attributes.values()):
            key = (attribute.namespaceURI, attribute.localName)
            if _is_stale(*key):
                description.removeAttributeNode(attribute)
            elif key in mend:
                attribute.value = mend[key]
        for child in [n for n in description.childNodes if n.nodeType == n.ELEMENT_NODE]:
            key = (child.namespaceURI, child.localName)
            if _is_stale(*key):
                description.removeChild(child)
            elif key in mend:
                for inner in list(child.childNodes):
                    child.removeChild(inner)
                child.appendChild(document.createTextNode(mend[key]))
    if changed:
        roots[0].appendChild(_source_type(document, roots[0].prefix))
    assert document.documentElement is not None
    body = document.documentElement.toxml().encode()
    head = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    return head + body + b'\n<?xpacket end="w"?>'


def _is_stale(namespace: str | None, name: str) -> bool:
    return (namespace, name) in _ABOUT_PIXELS or (namespace or "").startswith(_OTHER_PIXELS)


def _source_type(document: minidom.Document, prefix: str | None) -> minidom.Element:
    rdf = f"{prefix}:" if prefix else ""
    description = document.createElementNS(_RDF, f"{rdf}Description")
    description.setAttributeNS(_RDF, "rdf:about", "")
    description.setAttribute("xmlns:Iptc4xmpExt", _IPTC_NAMES)
    description.setAttributeNS(_IPTC_NAMES, "Iptc4xmpExt:DigitalSourceType", SOURCE_TYPE)
    return description
