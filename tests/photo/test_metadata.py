"""What a photo says beside its pixels: kept in every format with a place for it, and mended for the copy."""

from __future__ import annotations

import io
import re
import struct
from xml.dom import minidom

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from tests.picture_files import png_bytes, png_chunk
from tf_relight.photo.containers import photoshop_block, split_jpeg
from tf_relight.photo.copying import jpeg_with
from tf_relight.photo.metadata import SOURCE_TYPE, Metadata, for_copy
from tf_relight.photo.picture import Picture
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture

IPTC = b"\x1c\x02\x19\x00\x05beach"
XMP = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'
 xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'
 xmlns:dc='http://purl.org/dc/elements/1.1/' tiff:Orientation='6' GCamera:MotionPhoto='1' xmp:Rating='4'>
<exif:PixelXDimension>64</exif:PixelXDimension><exif:ColorSpace>65535</exif:ColorSpace>
<dc:creator><rdf:Seq><rdf:li>A Photographer</rdf:li></rdf:Seq></dc:creator>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>"""
SMOOTH = np.rint(np.linspace(30, 220, 48 * 64 * 3).reshape(48, 64, 3)).astype(np.uint8)


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x013B], exif[0x8298] = "Maker", "Model", "A Photographer", "(c) me"
    exif[0x0112], exif[0x0132] = 6, "2020:01:02 03:04:05"
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    exif[0x8769] = {
        0x9003: "2020:01:02 03:04:05",
        0x829A: 0.008,
        0x927C: b"secret of the maker",
        0xA001: 65535,
        0xA002: 64,
        0xA003: 48,
        0xA005: {1: "R03"},
    }
    exif[0x8825] = {1: "N", 2: (48.0, 6.0, 0.0), 3: "E", 4: (6.0, 12.0, 0.0)}
    return exif


@pytest.fixture
def camera(tmp_path):
    """A JPEG as a camera and a catalogue leave it: turned, with EXIF, thumbnail, XMP, IPTC and 300 dpi."""
    exif = camera_exif()
    stream = io.BytesIO()
    Image.fromarray(SMOOTH[:8, :8]).save(stream, "JPEG")
    block = exif.tobytes()
    options = {"exif": block, "xmp": XMP, "dpi": (300, 300), "comment": b"a comment", "quality": 95}
    app13 = photoshop_block(IPTC)
    options["extra"] = b"\xff\xed" + struct.pack(">H", len(app13) + 2) + app13
    path = tmp_path / "camera.jpg"
    Image.fromarray(SMOOTH).save(path, **options)
    return path


def relit(picture: Picture) -> Picture:
    return picture.with_pixels(picture.pixels * np.float32(0.5))


def check_exif(exif: Image.Exif, size: tuple[int, int]) -> None:
    assert exif[0x010F] == "Maker" and exif[0x8298] == "(c) me" and exif[0x013B] == "A Photographer"
    assert exif.get(0x0112, 1) == 1 and exif[0x0132] == "2020:01:02 03:04:05"
    details, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert details[0x9003] == "2020:01:02 03:04:05" and float(details[0x829A]) == pytest.approx(0.008)
    assert (details[0xA002], details[0xA003], details[0xA001]) == (size[1], size[0], 1)
    assert exif.get_ifd(0xA005)[1].startswith("R98")
    assert place[1] == "N" and tuple(map(float, place[2])) == (48, 6, 0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp", "avif"])
def test_everything_is_kept_where_it_has_a_place(camera, tmp_path, kind, bits):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    source = read_picture(camera)
    assert source.size == (64, 48)
    copy = tmp_path / f"copy.{kind}"
    picture = relit(source)
    notes = write_picture(copy, Picture(picture.pixels, None, bits, (), picture.metadata))
    back = read_picture(copy)
    assert back.size == (64, 48) and np.abs(back.pixels - picture.pixels).mean() < 0.02
    with Image.open(copy) as image:
        check_exif(image.getexif(), back.size)
        image.load()
        xmp = image.info.get("xmp") or image.text["XML:com.adobe.xmp"].encode()
        if kind in ("jpg", "png", "tif"):
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    for kept in (b"A Photographer", b"Rating", SOURCE_TYPE.encode()):
        assert kept in xmp
    assert b"MotionPhoto" not in xmp and re.search(rb'tiff:Orientation="1"', xmp)
    assert b"<exif:PixelXDimension>48<" in xmp and b"<exif:ColorSpace>1<" in xmp
    minidom.parseString(xmp.strip())
    if kind in ("jpg", "png", "tif"):
        assert back.metadata.iptc == IPTC
    else:
        assert any("no place for its IPTC" in note for note in notes)


def test_no_thumbnail_of_the_old_picture_is_left(camera, tmp_path):
    content = camera.read_bytes()
    parts = split_jpeg(content)
    # A second directory with a thumbnail, as cameras write it.
    thumbnail = b"\xff\xd8THUMBNAIL\xff\xd9"
    block = bytearray(parts.exif)
    order = "<" if block[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, first)
    second = len(block)
    struct.pack_into(order + "I", block, first + 2 + 12 * count, second)
    entries = struct.pack(order + "HHII", 0x0201, 4, 1, second + 30)
    entries += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail))
    block += struct.pack(order + "H", 2) + entries + bytes(4) + thumbnail
    segment = b"Exif\0\0" + bytes(block)
    path = tmp_path / "thumbnail.jpg"
    path.write_bytes(
        parts.plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + parts.plain[2:]
    )
    picture = read_picture(path)
    assert b"THUMBNAIL" in picture.metadata.exif
    for kind in ("jpg", "tif"):
        write_picture(tmp_path / f"copy.{kind}", relit(picture))
        assert b"THUMBNAIL" not in (tmp_path / f"copy.{kind}").read_bytes()


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp", "bmp"])
def test_strip_keeps_pixels_only(camera, tmp_path, kind):
    path = tmp_path / f"copy.{kind}"
    assert write_picture(path, relit(read_picture(camera)), strip=True) == ()
    content = path.read_bytes()
    for word in (b"Photographer", b"Exif", b"xmpmeta", b"beach", b"Maker", SOURCE_TYPE.encode()):
        assert word not in content
    assert read_picture(path).size == (64, 48)


def test_bmp_says_what_it_has_no_place_for(camera, tmp_path):
    notes = write_picture(tmp_path / "a.bmp", relit(read_picture(camera)))
    assert "no place for its EXIF and XMP and IPTC" in notes[0]
    assert read_picture(tmp_path / "a.bmp").metadata.dpi == pytest.approx((300, 300), abs=0.02)


def test_an_unchanged_copy_does_not_claim_a_change(camera, tmp_path):
    write_picture(tmp_path / "a.jpg", read_picture(camera))
    assert SOURCE_TYPE.encode() not in (tmp_path / "a.jpg").read_bytes()
    write_picture(tmp_path / "b.png", relit(Picture(np.zeros((4, 4, 3), np.float32))))
    assert SOURCE_TYPE.encode() in (tmp_path / "b.png").read_bytes()


def test_text_and_resolution_of_a_png(tmp_path):
    chunks = [png_chunk(b"tEXt", b"Author\0Jos\xe9"), png_chunk(b"pHYs", struct.pack(">IIB", 3937, 7874, 1))]
    chunks.append(png_chunk(b"iTXt", b"Title\0\0\0de\0Titel\0" + "Fr\u00fchling \u6625".encode()))
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(SMOOTH, *chunks))
    for bits in (8, 16):
        picture = relit(read_picture(path))
        write_picture(tmp_path / "b.png", Picture(picture.pixels, None, bits, (), picture.metadata))
        with Image.open(tmp_path / "b.png") as image:
            image.load()
            assert image.text["Author"] == "Jos\u00e9" and image.text["Title"] == "Fr\u00fchling \u6625"
            assert image.info["dpi"] == pytest.approx((100, 200), abs=0.01)


def test_resolution_turns_with_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", dpi=(100, 200), exif=exif)
    write_picture(tmp_path / "b.jpg", relit(read_picture(tmp_path / "a.jpg")))
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["dpi"] == (200, 100)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tags_of_a_tiff(tmp_path, dtype):
    tags = [(315, "s", 0, "A Photographer", True), (33432, "s", 0, "(c) me", True)]
    tags += [(700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True)]
    samples = SMOOTH.astype(dtype) * (np.iinfo(dtype).max // 255)
    options = {"resolution": (240, 240), "resolutionunit": "inch", "description": "words"}
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extratags=tags, **options)
    source = read_picture(tmp_path / "a.tif")
    for kind in ("tif", "jpg", "png"):
        write_picture(tmp_path / f"b.{kind}", relit(source))
        back = read_picture(tmp_path / f"b.{kind}")
        assert back.metadata.iptc == IPTC and b"Rating" in back.metadata.xmp
        assert back.metadata.dpi == pytest.approx((240, 240), abs=0.01)
        with Image.open(tmp_path / f"b.{kind}") as image:
            exif = image.getexif()
            assert (exif[315], exif[33432], exif[270]) == ("A Photographer", "(c) me", "words")
    assert tifffile.imread(tmp_path / "b.tif").shape == samples.shape


@pytest.mark.parametrize(
    "xmp",
    [
        b"<x:xmpmeta",
        b"nonsense",
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><x:xmpmeta>&b;</x:xmpmeta>',
        XMP.replace(b"</rdf:Description>", b""),
        b"<a>" * 5000 + b"</a>" * 5000,
        b"\xff\xfe\0\0",
    ],
)
def test_damaged_xmp_is_replaced_with_a_note(xmp):
    copy = for_copy(Metadata(xmp=xmp, changed=True), (4, 4))
    assert "XMP data is damaged" in copy.notes[0] and SOURCE_TYPE.encode() in copy.xmp
    assert b"nonsense" not in copy.xmp
    assert for_copy(Metadata(xmp=xmp), (4, 4)).xmp == b""


def test_damaged_exif_costs_no_picture(tmp_path):
    good = camera_exif().tobytes().removeprefix(b"Exif\0\0")
    rng = np.random.default_rng(0)
    for _ in range(200):
        block = bytearray(good)
        for place in rng.integers(0, len(block), 5):
            block[place] = rng.integers(0, 256)
        Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(block))
        picture = read_picture(tmp_path / "a.jpg")
        for kind in ("jpg", "png", "tif", "webp"):
            write_picture(tmp_path / f"b.{kind}", relit(picture))
            assert read_picture(tmp_path / f"b.{kind}").size == picture.size


def test_what_is_too_large_for_a_jpeg_is_named():
    stream = io.BytesIO()
    Image.fromarray(SMOOTH).save(stream, "JPEG")
    exif = camera_exif()
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05", 0x927C: bytes(70_000)}
    said = Metadata(exif.tobytes().removeprefix(b"Exif\0\0"), b"", bytes(70_000))
    content, notes = jpeg_with(stream.getvalue(), for_copy(said, (48, 64)))
    assert "camera's own notes" in notes[0] and "IPTC data is too large" in notes[1]
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[0x010F] == "Maker"


def test_the_official_demos_jpeg_keeps_it_too(camera, tmp_path):
    from tf_relight.relighting.official_demo import write_as_paper

    write_as_paper(tmp_path / "a.jpg", relit(read_picture(camera)))
    with Image.open(tmp_path / "a.jpg") as image:
        check_exif(image.getexif(), (64, 48))
        assert SOURCE_TYPE.encode() in image.info["xmp"]
    write_as_paper(tmp_path / "b.jpg", relit(read_picture(camera)), strip=True)
    assert b"Exif" not in (tmp_path / "b.jpg").read_bytes()
