"""Two folders of pictures with equal names."""

import numpy as np
import pytest
from PIL import Image

from tf_relight.config.run import make_data_config
from tf_relight.data import open_source
from tf_relight.data.pictures import look, read_rgb
from tf_relight.errors import RelightError


@pytest.fixture
def folder(vidit):
    """`vidit`, but opened as plain folders."""
    vidit_config = vidit.config
    vidit.config = lambda **values: vidit_config(name="folder", **values)
    return vidit


def test_pairs_by_name_with_any_ending_and_sub_folders(folder):
    for name in ("input/a", "target/a", "input/more/b", "target/more/b", "input/c", "target/c"):
        folder.write(f"{name}.png", folder.picture(len(name), size=24))
    (folder.root / "target/a.png").unlink()
    Image.fromarray(folder.picture(9)).save(folder.root / "target/a.bmp")
    train, validation = (open_source(folder.config(), split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (2, 1)
    names = {source.key(i) for source in (train, validation) for i in range(len(source))}
    assert names == {"a", "c", "more_b"}
    sample = train.read(0)
    assert sample["image"].shape == sample["target"].shape == (16, 16, 3)


def test_split_folders_are_used(folder):
    folder.pairs("train/input", "train/gt", range(4), prefix="photo")
    folder.pairs("val/source", "val/target", range(4, 6), prefix="photo")
    validation = open_source(folder.config(), "validation")
    assert [validation.key(i) for i in range(2)] == ["photo004", "photo005"]
    assert len(open_source(folder.config(), "train")) == 4


def test_lone_pictures_are_counted_and_left_out(folder, caplog):
    folder.pairs("input", "target", range(3))
    folder.write("input/lone.png", folder.picture(1))
    assert len(open_source(folder.config(), "train")) == 2
    assert "1 pictures have no partner of the same name" in caplog.text


def test_nothing_to_pair(folder):
    folder.write("input/a.png", folder.picture(1))
    folder.write("target/b.png", folder.picture(1))
    with pytest.raises(RelightError, match="no pair of pictures .* .2 pictures without a partner"):
        open_source(folder.config(), "train")
    with pytest.raises(RelightError, match="data.root is not set"):
        open_source(folder.config(root=None), "train")


def test_settings_that_need_lights_are_refused(folder):
    folder.pairs("input", "target", range(3))
    for setting in ("mirror", "depth"):
        said = f"data.{setting}: unknown key. It is an option of the data vidit, .*not of 'folder'"
        with pytest.raises(RelightError, match=said):
            make_data_config({"name": "folder", "root": str(folder.root), setting: True})


def test_unequal_sizes_need_a_size(folder):
    folder.pairs("input", "target", range(3))
    folder.write("input/Image001.png", folder.picture(1, size=30))
    folder.write("target/Image002.png", folder.picture(1, size=30))
    with pytest.raises(RelightError, match="differ in size"):
        for split in ("train", "validation"):
            open_source(folder.config(size=None), split)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "I;16", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(tmp_path, mode):
    rgb = np.dstack([np.full((6, 5), value, np.uint8) for value in (90, 90, 90)])
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(rgb).convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    assert np.abs(read_rgb(path).astype(int) - 90).max() <= 1  # CMYK rounds
    glance = look(path)
    assert (glance.width, glance.height) == (5, 6)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_broken_files_are_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for broken in (b"", whole[:10], whole[: len(whole) // 2], b"this is text, not a picture"):
        path.write_bytes(broken)
        with pytest.raises(RelightError, match=f"a.{suffix}"):
            read_rgb(path)
        with pytest.raises(RelightError, match=f"a.{suffix}"):
            look(path)
    path.write_bytes(b"")
    with pytest.raises(RelightError, match="is empty"):
        look(path)
    path.unlink()
    with pytest.raises(RelightError, match="Cannot read .*No such file"):
        read_rgb(path)
    with pytest.raises(RelightError, match="Cannot read .*No such file"):
        look(path)


def test_a_flipped_byte_inside_a_png_is_found_by_decoding(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(noise).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(RelightError, match="a.png is damaged"):
        read_rgb(path)


def test_a_colour_profile_is_respected(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.png"
    picture = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    Image.fromarray(picture).save(path, icc_profile=profile)
    assert np.abs(read_rgb(path).astype(int) - picture).max() <= 1
