"""Picture files inside a TensorFlow graph: bytes to pixels and back.

JPEG, PNG and WebP go in, JPEG and PNG come out. Size is read from the header and checked before anything is
decoded. The orientation that cameras write into JPEG is applied; 16-bit PNG and transparency are kept.
Differs from `photo.reading`: colour profiles are ignored, so pixels count as sRGB; orientation in PNG
and WebP is ignored; animated WebP is refused; TIFF, BMP, GIF and AVIF are not read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

JPEG_QUALITY = 95
PNG_COMPRESSION = 4
LARGEST_JPEG_SIDE = 65_500
JPEG, PNG, WEBP = 0, 1, 2
_HEADER_BYTES = 1 << 18
_ORIENTATION_TAG = 0x0112
_NOT_A_PICTURE = "is not a JPEG, PNG or WebP file. Send the bytes of the file as they are."


class Header(NamedTuple):
    """What a file says before its pixels; scalars.

    Attributes:
        kind: JPEG, PNG or WEBP, int32.
        height, width: as stored, before the orientation is applied, int64.
        deep: whether it has 16 bits, bool.
        orientation: EXIF's 1..8, int64.
    """

    kind: Any
    height: Any
    width: Any
    deep: Any
    orientation: Any


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
    branches = {kind: (lambda read=read: read(content)) for kind, read in readers.items()}
    rgba = tf.switch_case(header.kind, branches)
    rgba.set_shape((None, None, 4))
    rgba = upright(rgba, header.orientation)
    alpha = rgba[..., 3:]
    return Decoded(rgba[..., :3], alpha, tf.reduce_min(alpha) >= 1.0, header.deep)


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
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 0, _HEADER_BYTES), tf.uint8), tf.int64)
    # Zeros behind the end stand for what a file that is cut off does not say.
    head = tf.concat([head, tf.zeros(64, tf.int64)], axis=0)
    is_jpeg = _starts(head, 0, b"\xff\xd8\xff")
    is_png = _starts(head, 0, b"\x89PNG\r\n\x1a\n") & _starts(head, 12, b"IHDR")
    is_webp = _starts(head, 0, b"RIFF") & _starts(head, 8, b"WEBP")
    animated = is_webp & _starts(head, 12, b"VP8X") & (head[20] // 2 % 2 == 1)
    with tf.control_dependencies(
        [
            claim(is_jpeg | is_png | is_webp, "Picture", index, _NOT_A_PICTURE),
            claim(~animated, "Picture", index, "is an animation. Send one still picture."),
        ]
    ):
        kind = tf.where(is_jpeg, JPEG, tf.where(is_png, PNG, WEBP))
    one = tf.constant(1, tf.int64)
    size, orientation = tf.switch_case(
        kind,
        {
            JPEG: lambda: (tf.io.extract_jpeg_shape(content, tf.int64)[:2], _jpeg_orientation(head)),
            PNG: lambda: (tf.stack([_big(head, 20, 4), _big(head, 16, 4)]), one),
            WEBP: lambda: (_webp_size(head), one),
        },
    )
    return Header(kind, size[0], size[1], (kind == PNG) & (head[24] == 16), orientation)


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


def _read_jpeg(content: Any) -> Any:
    # The accurate transform is what Pillow and OpenCV use, too.
    pixels = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
    return _with_alpha(tf.cast(pixels, tf.float32) / 255)


def _read_png(content: Any) -> Any:
    return _with_alpha(tf.cast(tf.io.decode_png(content, dtype=tf.uint16), tf.float32) / 65535)


def _read_webp(content: Any) -> Any:
    return _with_alpha(tf.cast(tf.io.decode_webp(content)[0], tf.float32) / 255)


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


def _jpeg_orientation(head: Any) -> Any:
    """Return the number 1..8 from the EXIF block of a JPEG, 1 where there is none.

    Source: JEITA CP-3451 (EXIF 2.32), section 4.7; segments from ITU-T T.81, annex B.
    """
    length = tf.shape(head, out_type=tf.int64)[0] - 64

    def is_exif(place: Any) -> Any:
        return (head[place + 1] == 0xE1) & _starts(head, place + 4, b"Exif\0\0")

    def goes_on(place: Any) -> Any:
        inside = place < length
        place = tf.minimum(place, length)
        marker = head[place + 1]
        # 0xDA begins the pixels; a segment is never shorter than its own length field.
        is_segment = (head[place] == 0xFF) & (marker != 0xDA) & (_big(head, place + 2, 2) >= 2)
        return inside & is_segment & ~is_exif(place)

    place = tf.while_loop(
        goes_on, lambda place: (place + 2 + _big(head, place + 2, 2),), (tf.constant(2, tf.int64),)
    )[0]
    place = tf.minimum(place, length)
    return tf.cond(is_exif(place), lambda: _exif_orientation(head, place + 10), lambda: tf.ones((), tf.int64))


def _exif_orientation(head: Any, start: Any) -> Any:
    """Return the orientation in the TIFF block that begins at `start`."""
    little_first = head[start] == ord("I")
    last = tf.shape(head, out_type=tf.int64)[0] - 16

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
    value = tf.zeros_like(tf.gather(head, place))
    for i in range(count):
        value = value * 256 + tf.gather(head, place + i)
    return value


def _little(head: Any, place: Any, count: int) -> Any:
    value = tf.zeros_like(tf.gather(head, place))
    for i in reversed(range(count)):
        value = value * 256 + tf.gather(head, place + i)
    return value


def _quantised(values: Any, kind: tf.DType) -> Any:
    return tf.cast(tf.round(tf.clip_by_value(values, 0.0, 1.0) * kind.max), kind)


def _too_many(max_pixels: int) -> str:
    return f"more than the limit of {max_pixels:,}. Make it smaller."
