"""Picture files inside a TensorFlow graph: bytes to pixels and back.

JPEG, PNG and WebP go in, JPEG and PNG come out. Size is read from the header and checked before anything is
decoded. The orientation that cameras write is applied; 16-bit PNG and transparency are kept; colours that
alpha hides are neutral.
Differs from `photo.reading`: colour profiles and other tags about colour are ignored, so pixels count as
sRGB; orientation in XMP is ignored; animated WebP is refused; TIFF, BMP, GIF, AVIF and HEIC are not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

JPEG_QUALITY = 95
PNG_COMPRESSION = 4
LARGEST_JPEG_SIDE = 65_500
JPEG, PNG, WEBP = 0, 1, 2
_MOST_BLOCKS = 4096  # before the pixels; each may have 64 KiB in a JPEG
_PADDING = 64
_ORIENTATION_TAG = 0x0112
_INVISIBLE = 0.5 / 255
_NOT_A_PICTURE = "is not a JPEG, PNG or WebP file. Send the bytes of the file as they are."


class Header(NamedTuple):
    """What a file says before its pixels; scalars.

    Attributes:
        kind: JPEG, PNG or WEBP, int32.
        height, width: as stored, before the orientation is applied, int64.
        deep: whether it has 16 bits, bool.
        orientation: EXIF's 1..8, int64.
        clear: (3,) the samples of a PNG's transparent colour as 16 bits, or -1, int64.
    """

    kind: Any
    height: Any
    width: Any
    deep: Any
    orientation: Any
    clear: Any


class Decoded(NamedTuple):
    """A picture and what its encoder has to know.

    Attributes:
        pixels: (H, W, 3) float32 sRGB 0..1, the right way up.
        alpha: (H, W, 1) float32 0..1, 1 = opaque.
        opaque: whether alpha is 1 everywhere, scalar bool.
        deep: whether the file has 16 bits, scalar bool.
    """

    pixels: Any
    alpha: Any
    opaque: Any
    deep: Any


def decode(content: Any, index: Any, max_pixels: int) -> Decoded:
    """Decode one file.

    Args:
        content: its bytes, a scalar string.
        index: its place in the batch, counted from 0, for messages.
        max_pixels: more are refused.

    Raises:
        InvalidArgumentError: when run, for bytes that are no picture, damaged, animated or too large.
    """
    header = read_header(content, index)
    pixels = header.height * header.width
    size = (header.width, "x", header.height)
    with tf.control_dependencies(
        [
            claim(pixels > 0, "Picture", index, "has no pixels:", *size, ". Copy or export it again."),
            claim(pixels <= max_pixels, "Picture", index, "has", *size, f"pixels, {_too_many(max_pixels)}"),
        ]
    ):
        content = tf.identity(content)
    readers = {JPEG: _read_jpeg, PNG: _read_png, WEBP: _read_webp}
    branches = {kind: (lambda read=read: read(content, header)) for kind, read in readers.items()}
    rgba = tf.switch_case(header.kind, branches)
    rgba.set_shape((None, None, 4))
    rgba = upright(rgba, header.orientation)
    alpha = rgba[..., 3:]
    return Decoded(_hidden_filled(rgba[..., :3], alpha), alpha, tf.reduce_min(alpha) >= 1.0, header.deep)


def encode_jpeg(pixels: Any, picture: Decoded) -> Any:
    """Return the bytes of a JPEG, quality 95 in full colour resolution; transparency goes over white.

    Args:
        pixels: (H, W, 3) float32 sRGB 0..1 of the same size as `picture`.
    """
    sides = tf.shape(pixels)[:2]
    fits = claim(
        tf.reduce_max(sides) <= LARGEST_JPEG_SIDE, "A JPEG has at most 65500 pixels a side. Ask for a PNG."
    )
    with tf.control_dependencies([fits]):
        over_white = pixels * picture.alpha + (1 - picture.alpha)
    return tf.io.encode_jpeg(
        _quantised(over_white, tf.uint8), format="rgb", quality=JPEG_QUALITY, chroma_downsampling=False
    )


def encode_png(pixels: Any, picture: Decoded) -> Any:
    """Return the bytes of a PNG with the transparency and the 8 or 16 bits of the original."""

    def encoded(values: Any) -> Any:
        return tf.cond(
            picture.deep,
            lambda: tf.io.encode_png(_quantised(values, tf.uint16), compression=PNG_COMPRESSION),
            lambda: tf.io.encode_png(_quantised(values, tf.uint8), compression=PNG_COMPRESSION),
        )

    with_alpha = tf.concat([pixels, picture.alpha], axis=-1)
    return tf.cond(picture.opaque, lambda: encoded(pixels), lambda: encoded(with_alpha))


def read_header(content: Any, index: Any) -> Header:
    """Read kind, size, bits and orientation of one file, a scalar string.

    Raises:
        InvalidArgumentError: when run, for other bytes and for animations.
    """
    # Zeros behind the end stand for what a file that is cut off does not say.
    head = tf.concat([tf.io.decode_raw(content, tf.uint8), tf.zeros(_PADDING, tf.uint8)], axis=0)
    is_jpeg = _starts(head, 0, b"\xff\xd8\xff")
    is_png = _starts(head, 0, b"\x89PNG\r\n\x1a\n") & _starts(head, 12, b"IHDR")
    is_webp = _starts(head, 0, b"RIFF") & _starts(head, 8, b"WEBP")
    animated = is_webp & _starts(head, 12, b"VP8X") & (_big(head, 20, 1) // 2 % 2 == 1)
    with tf.control_dependencies(
        [
            claim(is_jpeg | is_png | is_webp, "Picture", index, _NOT_A_PICTURE),
            claim(~animated, "Picture", index, "is an animation. Send one still picture."),
        ]
    ):
        kind = tf.where(is_jpeg, JPEG, tf.where(is_png, PNG, WEBP))
    nothing = tf.constant([-1, -1, -1], tf.int64)
    size, orientation, clear, blocks = tf.switch_case(
        kind,
        {
            JPEG: lambda: (
                tf.io.extract_jpeg_shape(content, tf.int64)[:2],
                *_jpeg_orientation(head, nothing),
            ),
            PNG: lambda: (tf.stack([_big(head, 20, 4), _big(head, 16, 4)]), *_png_extras(head, nothing)),
            WEBP: lambda: (_webp_size(head), *_webp_orientation(head, nothing)),
        },
    )
    with tf.control_dependencies(
        [claim(blocks < _MOST_BLOCKS, "Picture", index, "has too many blocks of metadata. Export it again.")]
    ):
        orientation = tf.identity(orientation)
    return Header(kind, size[0], size[1], (kind == PNG) & (head[24] == 16), orientation, clear)


def upright(pixels: Any, orientation: Any) -> Any:
    """Return (H, W, C) the right way up; `orientation` is EXIF's 1..8, other numbers change nothing."""

    def among(*numbers: int) -> Any:
        return tf.reduce_any(orientation == tf.constant(numbers, tf.int64))

    pixels = tf.cond(among(5, 6, 7, 8), lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    pixels = tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(pixels, [1]), lambda: pixels)
    return tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(pixels, [0]), lambda: pixels)


def claim(holds: Any, *message: Any) -> Any:
    """Return an operation that fails with a message where `holds`, a scalar bool, is false."""
    return tf.debugging.Assert(holds, list(message), summarize=9)


# -- Formats -------------------------------------------------------------------------------------------------


def _read_jpeg(content: Any, header: Header) -> Any:
    # The accurate transform is what Pillow and OpenCV use, too.
    pixels = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
    return _with_alpha(tf.cast(pixels, tf.float32) / 255)


def _read_png(content: Any, header: Header) -> Any:
    """The decoder knows transparent entries of a palette, but no transparent grey or colour."""
    samples = tf.io.decode_png(content, dtype=tf.uint16)
    rgba = _with_alpha(tf.cast(samples, tf.float32) / 65535)

    def with_clear_colour() -> Any:
        wanted = tf.cast(header.clear[: tf.minimum(tf.shape(samples)[2], 3)], tf.uint16)
        colour = samples[..., : tf.size(wanted)]
        opaque = tf.reduce_any(colour != wanted, axis=-1, keepdims=True)
        return tf.concat([rgba[..., :3], tf.cast(opaque, tf.float32)], axis=-1)

    return tf.cond(header.clear[0] >= 0, with_clear_colour, lambda: rgba)


def _read_webp(content: Any, header: Header) -> Any:
    return _with_alpha(tf.cast(tf.io.decode_webp(content)[0], tf.float32) / 255)


def _hidden_filled(pixels: Any, alpha: Any) -> Any:
    """The same as `photo.picture.hidden_filled`."""
    hidden = alpha < _INVISIBLE

    def filled() -> Any:
        weight = tf.where(hidden, 0.0, alpha)
        # Sums over rows first: one long sum in single precision would drift.
        total = tf.reduce_sum(tf.cast(tf.reduce_sum(weight, axis=1), tf.float64), axis=0)
        colour = tf.reduce_sum(tf.cast(tf.reduce_sum(weight * pixels, axis=1), tf.float64), axis=0)
        fill = tf.cast(tf.round(colour / total * 255), tf.float32) / 255
        return tf.where(hidden, fill, pixels)

    some = tf.reduce_any(hidden) & ~tf.reduce_all(hidden)
    return tf.cond(some, filled, lambda: pixels)


def _with_alpha(pixels: Any) -> Any:
    """Return (H, W, 4) of grey or colour, with or without alpha, (H, W, 1..4).

    The decoders add alpha on request, but a wrong one to grey PNGs of less than 8 bits, and none to WebP.
    """
    shape = tf.shape(pixels)
    colours = shape[2] - (1 - shape[2] % 2)
    colour = tf.broadcast_to(pixels[..., :colours], tf.concat([shape[:2], [3]], axis=0))
    opaque = tf.ones_like(pixels[..., :1])
    alpha = tf.cond(colours < shape[2], lambda: pixels[..., colours:], lambda: opaque)
    return tf.concat([colour, alpha], axis=-1)


def _webp_size(head: Any) -> Any:
    """Return (height, width) of the three kinds of WebP. Source: RFC 9649, sections 2.5 to 2.7."""
    extended = tf.stack([_little(head, 27, 3) + 1, _little(head, 24, 3) + 1])
    bits = _little(head, 21, 4)
    lossless = tf.stack([bits // 2**14 % 2**14 + 1, bits % 2**14 + 1])
    lossy = tf.stack([_little(head, 28, 2) % 2**14, _little(head, 26, 2) % 2**14])
    is_lossless = _starts(head, 12, b"VP8L")
    return tf.where(_starts(head, 12, b"VP8X"), extended, tf.where(is_lossless, lossless, lossy))


def _find(head: Any, start: int, is_wanted: Any, goes_on: Any, step: Any) -> tuple[Any, Any]:
    """Walk over blocks; return where the wanted one begins, else behind the end, and how many were passed."""
    length = tf.shape(head, out_type=tf.int64)[0] - _PADDING

    def searches(place: Any, _: Any) -> Any:
        near = tf.minimum(place, length)
        return (place < length) & goes_on(near) & ~is_wanted(near)

    place, passed = tf.while_loop(
        searches,
        lambda place, passed: (place + step(tf.minimum(place, length)), passed + 1),
        (tf.constant(start, tf.int64), tf.constant(0)),
        maximum_iterations=_MOST_BLOCKS,
    )
    place = tf.minimum(place, length)
    return tf.where(is_wanted(place), place, length), passed


def _orientation_at(head: Any, place: Any, skipped: int) -> Any:
    """Return the orientation of the EXIF data that begins so many bytes behind a block's begin."""
    length = tf.shape(head, out_type=tf.int64)[0] - _PADDING
    return tf.cond(
        place < length, lambda: _exif_orientation(head, place + skipped), lambda: tf.ones((), tf.int64)
    )


def _jpeg_orientation(head: Any, nothing: Any) -> tuple[Any, Any, Any]:
    """Return the number 1..8 from the EXIF block of a JPEG, 1 where there is none; what PNG has; blocks.

    Source: JEITA CP-3451 (EXIF 2.32), section 4.7; segments from ITU-T T.81, annex B.
    """

    def is_exif(place: Any) -> Any:
        return (head[place + 1] == 0xE1) & _starts(head, place + 4, b"Exif\0\0")

    def is_segment(place: Any) -> Any:
        # 0xDA begins the pixels; a segment is never shorter than its own length field.
        return (head[place] == 0xFF) & (head[place + 1] != 0xDA) & (_big(head, place + 2, 2) >= 2)

    place, passed = _find(head, 2, is_exif, is_segment, lambda place: 2 + _big(head, place + 2, 2))
    return _orientation_at(head, place, 10), nothing, passed


def _png_extras(head: Any, nothing: Any) -> tuple[Any, Any, Any]:
    """Return orientation, transparent colour and blocks of a PNG.

    Source: PNG, third edition, section 11.3.
    """

    def find(name: bytes) -> tuple[Any, Any]:
        return _find(
            head,
            8,
            lambda place: _starts(head, place + 4, name),
            lambda place: ~_starts(head, place + 4, b"IDAT"),
            lambda place: 12 + _big(head, place, 4),
        )

    exif, passed = find(b"eXIf")
    clear, also_passed = find(b"tRNS")
    length = tf.shape(head, out_type=tf.int64)[0] - _PADDING
    most = tf.bitwise.left_shift(tf.constant(1, tf.int64), _big(head, 24, 1)) - 1
    colour = head[25]

    def key() -> Any:
        places = clear + 8 + tf.cast(colour == 2, tf.int64) * tf.constant([0, 2, 4], tf.int64)
        return _big(head, places, 2) * 65535 // tf.maximum(most, 1)

    has_key = (clear < length) & ((colour == 0) | (colour == 2))
    return (
        _orientation_at(head, exif, 8),
        tf.cond(has_key, key, lambda: nothing),
        tf.maximum(passed, also_passed),
    )


def _webp_orientation(head: Any, nothing: Any) -> tuple[Any, Any, Any]:
    """Source: RFC 9649, section 2.7.1.5; some writers put the heading of JPEG's block before the data."""

    def step(place: Any) -> Any:
        size = _little(head, place + 4, 4)
        return 8 + size + size % 2

    place, passed = _find(
        head, 12, lambda place: _starts(head, place, b"EXIF"), lambda place: head[place] != 0, step
    )
    has_heading = _starts(head, place + 8, b"Exif\0\0")
    orientation = tf.cond(
        has_heading, lambda: _orientation_at(head, place, 14), lambda: _orientation_at(head, place, 8)
    )
    return orientation, nothing, passed


def _exif_orientation(head: Any, start: Any) -> Any:
    """Return the orientation in the TIFF block that begins at `start`."""
    last = tf.shape(head, out_type=tf.int64)[0] - 16
    little_first = head[tf.minimum(start, last)] == ord("I")

    def number(place: Any, count: int) -> Any:
        # Damaged blocks point anywhere; behind the end there are zeros.
        place = tf.minimum(place, last)
        return tf.where(little_first, _little(head, place, count), _big(head, place, count))

    directory = start + number(start + 4, 4)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2), 512))
    is_wanted = number(entries, 2) == _ORIENTATION_TAG
    found = tf.boolean_mask(number(entries + 8, 2), is_wanted)
    return tf.cond(tf.size(found) > 0, lambda: found[0], lambda: tf.ones((), tf.int64))


# -- Bytes ---------------------------------------------------------------------------------------------------


def _starts(head: Any, place: Any, text: bytes) -> Any:
    return tf.reduce_all(tf.gather(head, place + tf.range(len(text), dtype=tf.int64)) == list(text))


def _big(head: Any, place: Any, count: int) -> Any:
    """Return the number of `count` bytes at a place, or at each of several, most important byte first."""
    return _number(head, place, range(count))


def _little(head: Any, place: Any, count: int) -> Any:
    return _number(head, place, reversed(range(count)))


def _number(head: Any, place: Any, order: Iterable[int]) -> Any:
    value = tf.zeros_like(tf.cast(tf.gather(head, place), tf.int64))
    for i in order:
        value = value * 256 + tf.cast(tf.gather(head, place + i), tf.int64)
    return value


def _quantised(values: Any, kind: tf.DType) -> Any:
    return tf.cast(tf.round(tf.clip_by_value(values, 0.0, 1.0) * kind.max), kind)


def _too_many(max_pixels: int) -> str:
    return f"more than the limit of {max_pixels:,}. Make it smaller."
