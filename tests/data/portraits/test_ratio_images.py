"""Relighting by the ratio of shadings: on known surfaces, in Lab, and against the official pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from tf_relight.data.portraits.ratio_images import (
    RatioPortrait,
    denoise,
    has_holes,
    positive_shading,
    prepare,
    random_lights,
    read_lights,
    read_normals,
    to_dpr_frame,
)
from tf_relight.data.portraits.source_light import erode_skin, fit_source_light
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.light.spherical_harmonics import shading
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.rendering.heads.layouts import dpr_normal_picture

SIZE = 96
LEFT, RIGHT = (Light.from_direction(azimuth, 20).grey("lightness") * 0.8 for azimuth in (-60, 60))


def camera_normals(size: int = SIZE) -> np.ndarray:
    """A bowed surface that fills the picture: x right, y up, z toward the camera."""
    x, y = np.meshgrid(np.linspace(-0.65, 0.65, size), np.linspace(0.65, -0.65, size))
    return np.stack([x, y, np.sqrt(1 - x**2 - y**2)], -1)


def projection_normals(size: int = SIZE) -> np.ndarray:
    return camera_normals(size) * [1, -1, -1]


def dpr_normals(size: int = SIZE) -> np.ndarray:
    x, y, z = np.moveaxis(camera_normals(size), -1, 0)
    return np.stack([x, -z, y], -1)


def lab_photo(light: np.ndarray, albedo: float = 0.5, a: int = 150, b: int = 140) -> np.ndarray:
    lightness = np.clip(albedo * shading(dpr_normals(), light) * 255, 0, 255)
    return np.dstack([lightness, np.full_like(lightness, a), np.full_like(lightness, b)]).astype(np.uint8)


def lightness(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0].astype(float)


def test_a_relit_surface_is_albedo_times_the_new_shading():
    portrait = RatioPortrait(lab_photo(LEFT), dpr_normals(), LEFT)
    wanted = 0.5 * shading(dpr_normals(), RIGHT) * 255
    # Truncated twice, the first time multiplied by a ratio of up to 2; Lab to RGB and back costs one more.
    assert np.abs(lightness(portrait.relight(RIGHT)) - wanted).max() <= 4


def test_light_comes_from_the_side_it_is_said_to():
    portrait = RatioPortrait(lab_photo(LEFT), dpr_normals(), LEFT)
    for light, side in ((LEFT, slice(None, 30)), (RIGHT, slice(-30, None))):
        relit = lightness(portrait.relight(light))
        assert relit[:, side].mean() > relit.mean() + 10
    above = lightness(portrait.relight(Light.from_direction(0, 70).grey("lightness")))
    assert above[:30].mean() > above[-30:].mean() + 20


def test_the_light_of_the_photo_changes_nothing():
    lab = lab_photo(LEFT)
    portrait = RatioPortrait(lab, dpr_normals(), LEFT)
    same = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(int)
    assert np.abs(portrait.relight(LEFT).astype(int) - same).max() <= 2  # one step of L, truncated


def test_colours_of_lab_are_kept_and_nothing_wraps_around():
    portrait = RatioPortrait(lab_photo(LEFT, albedo=0.4), dpr_normals(), LEFT)
    relit = cv2.cvtColor(portrait.relight(0.8 * RIGHT), cv2.COLOR_RGB2LAB).astype(int)
    inside = (relit[..., 0] > 60) & (relit[..., 0] < 200)  # where sRGB has these colours
    assert np.abs(relit[..., 1:] - [150, 140])[inside].max() <= 2
    grey = RatioPortrait(lab_photo(LEFT, a=128, b=128), dpr_normals(), LEFT)
    assert grey.relight(20 * RIGHT).min() >= 254 and grey.relight(-RIGHT).max() == 0


def test_shading_below_zero_takes_the_smallest_positive():
    values = np.array([[-1.0, 0.0, 0.25], [0.5, 2.0, 0.3]])
    assert positive_shading(values).tolist() == [[0.25, 0.25, 0.25], [0.5, 2.0, 0.3]]
    with pytest.raises(RelightError, match="every pixel black"):
        positive_shading(-np.ones((2, 2)))


def test_denoising_is_the_official_call():
    photo = np.random.default_rng(0).integers(100, 140, (40, 40, 3), np.uint8)
    wanted = cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(photo[..., ::-1]), None, 5, 3, 3, 21)
    assert np.array_equal(denoise(photo)[..., ::-1], wanted)
    assert np.std(denoise(photo)) < np.std(photo)


def test_normal_maps_are_read_as_dpr_codes_them(tmp_path):
    path = tmp_path / "normals.png"
    Image.fromarray(dpr_normal_picture(camera_normals())).save(path)
    as_official = cv2.imread(str(path)) / 255 * 2 - 1
    np.testing.assert_allclose(read_normals(path), as_official, atol=1e-6)
    # Half a step of 8 bits in each component, and unit length after it.
    np.testing.assert_allclose(to_dpr_frame(read_normals(path)), dpr_normals(), atol=8e-3)
    deep = np.rint((projection_normals() + 1) / 2 * 65535).astype(np.uint16)
    cv2.imwrite(str(path), deep)
    np.testing.assert_allclose(to_dpr_frame(read_normals(path)), dpr_normals(), atol=5e-5)


def test_maps_coded_otherwise_or_with_holes_are_refused():
    for coded in (camera_normals(), projection_normals()[..., ::-1], -projection_normals()):
        with pytest.raises(RelightError, match="faces away|holes"):
            to_dpr_frame(coded)
    for nothing in (0.0, -1.0):  # grey, black
        normals = projection_normals()
        assert not has_holes(normals)
        normals[40:50, 40:50] = nothing
        with pytest.raises(RelightError, match="holes"):
            to_dpr_frame(normals)


def test_preparing_fits_the_light_of_the_photo():
    photo = cv2.cvtColor(lab_photo(LEFT, a=128, b=128), cv2.COLOR_LAB2RGB)
    skin = np.zeros((SIZE, SIZE), bool)
    skin[8:88, 8:88] = True
    portrait = prepare(photo, projection_normals(), skin=skin)
    relit = portrait.relight(RIGHT)
    # The fit does not know the albedo, so brightness is free; the picture under RIGHT has to come out.
    wanted = lightness(RatioPortrait(portrait.lab, dpr_normals(), LEFT).relight(RIGHT))
    scale = (lightness(relit) * wanted).sum() / (wanted**2).sum()
    inside = wanted * scale < 240
    assert np.abs(lightness(relit) - scale * wanted)[inside].mean() < 2.5
    assert np.array_equal(prepare(photo, projection_normals(), source_light=LEFT).light, LEFT)


def test_preparing_refuses_what_does_not_fit_together():
    photo = np.full((SIZE, SIZE, 3), 90, np.uint8)
    skin = np.ones((SIZE, SIZE), bool)
    with pytest.raises(RelightError, match="normal map is 95 x 96 pixels, the portrait 96 x 96"):
        prepare(photo, projection_normals()[:, 1:], skin=skin)
    with pytest.raises(RelightError, match="mask is 96 x 95"):
        prepare(photo, projection_normals(), skin=skin[1:])
    with pytest.raises(RelightError, match="mask of the skin or the light"):
        prepare(photo, projection_normals())


def test_lights_are_drawn_like_the_paper():
    names = ("rembrandt", "butterfly", "rim")
    lights = np.stack([Light.from_preset(name).grey("lightness") for name in names])
    drawn = random_lights(np.random.default_rng(0), 60, lights)
    assert drawn.shape == (60, 9) and 0.7 <= drawn[:, 0].min() < 0.72 and 0.88 < drawn[:, 0].max() <= 0.9
    # Turned about the vertical: what does not depend on the azimuth stays, up to brightness.
    shares = np.column_stack([drawn[:, 2], np.hypot(drawn[:, 1], drawn[:, 3]), drawn[:, 6]]) / drawn[:, :1]
    known = (
        np.column_stack([lights[:, 2], np.hypot(lights[:, 1], lights[:, 3]), lights[:, 6]]) / lights[:, :1]
    )
    which = np.argmin(np.linalg.norm(shares[:, None] - known[None], axis=2), axis=1)
    np.testing.assert_allclose(shares, known[which], atol=1e-9)
    assert set(which) == {0, 1, 2}
    azimuths = [Light.from_array(light).angles[0] % 360 for light in drawn]
    assert np.histogram(azimuths, 4, (0, 360))[0].min() >= 5
    assert np.array_equal(drawn, random_lights(np.random.default_rng(0), 60, lights))


def test_few_lights_are_not_drawn_twice_and_lamps_stand_in():
    lights = np.diag([1.0] * 9)[:5] + np.eye(9)[0]
    drawn = random_lights(np.random.default_rng(1), 5, lights)
    assert len({tuple(np.round(np.abs(light[[2, 4]]), 6)) + (light[0],) for light in drawn}) == 5
    own = random_lights(np.random.default_rng(2), 4)
    assert own.shape == (4, 9) and ((own[:, 0] >= 0.7 - 1e-6) & (own[:, 0] <= 0.9 + 1e-6)).all()


def test_lights_are_read_from_a_folder(tmp_path):
    np.savetxt(tmp_path / "b.txt", RIGHT)
    panorama = np.full((8, 16, 3), 0.5, np.float32)
    panorama[1, 3] = 40
    cv2.imwrite(str(tmp_path / "a.hdr"), panorama)
    (tmp_path / "readme.md").write_text("not a light")
    lights = read_lights(tmp_path)
    np.testing.assert_allclose(lights[0], Light.from_hdr(tmp_path / "a.hdr").grey("lightness"))
    np.testing.assert_allclose(lights[1], RIGHT)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no lights"), ("1 2 3", "3 numbers"), ("0 " * 9, "dark light"), ("nan " * 9, "NaN")],
)
def test_bad_lights(tmp_path, content, message):
    if content is not None:
        (tmp_path / "light.txt").write_text(content)
    with pytest.raises(RelightError, match=message):
        read_lights(tmp_path)
    with pytest.raises(RelightError, match="no folder"):
        read_lights(tmp_path / "nowhere")


# Against the official code's own files


@pytest.fixture(scope="module")
def official(reference_data):
    """The folder of one subject, its photo made ready with the official light."""
    folder = reference_data / "dpr_render" / "dev" / "imgHQ00000"
    photo = to_u8(read_picture(folder / "imgHQ00000.png").pixels)
    normals = read_normals(folder / "full_normal_faceRegion_faceBoundary_extend.png")
    return folder, prepare(photo, normals, source_light=np.loadtxt(folder / "ori_sh.txt"))


def test_the_official_pictures_are_reproduced(official):
    folder, portrait = official
    denoised = cv2.cvtColor(portrait.lab, cv2.COLOR_LAB2RGB)
    pictures = sorted(folder.glob("imgHQ00000_0?.png"))
    assert pictures
    print("\npicture          dB  not relit")
    for picture in pictures:
        wanted = to_u8(read_picture(picture).pixels).astype(float)
        light = np.loadtxt(folder / f"imgHQ00000_light_{picture.stem[-2:]}.txt")
        found, before = (
            20 * np.log10(255 / np.sqrt(np.mean((image - wanted) ** 2)))
            for image in (portrait.relight(light), denoised)
        )
        print(f"{picture.stem}  {found:5.2f}  {before:5.2f}")
        # Normals come in 8 bits; the official code had them in floating point.
        assert found >= 52 and before < 20


def test_the_official_source_light_is_approached(official):
    """The official mask of parsed skin is not there, and its constraint was weaker: so only the shading of
    the face is compared, which both fits are about."""
    folder, portrait = official
    skin = cv2.imread(str(folder / "label.png"), 0) == 255
    face = erode_skin(skin)
    fitted = fit_source_light(portrait.lab[..., 0] / 255.0, portrait.normals, skin)
    ours, theirs = (shading(portrait.normals[face], light) for light in (fitted, portrait.light))
    print(f"\nshading of the skin: correlation {np.corrcoef(ours, theirs)[0, 1]:.3f}")
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.08
