"""`tf_relight.relight`: one photo in, in whatever form Python has it, and one picture out."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.photo.picture import Picture, data_url, png_of, to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.relighting.photos import relight as relight_picture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from PIL.Image import Image

    from tf_relight.light.light import Light
    from tf_relight.relighting.photos import Engine
    from tf_relight.relighting.request import ChangeOptions

    PhotoLike: TypeAlias = str | Path | Picture | "Relit" | Image | ArrayLike


@dataclass(frozen=True, eq=False)
class Relit:
    """A relit photo, with the photo it was made of.

    NumPy takes it as an array (H, W, 3) float32 sRGB 0..1. A notebook shows both beside each other.

    Attributes:
        before: the photo.
        picture: the same under the new light; its notes say what there is to say.
        light: the new light that was asked for, or None.
    """

    before: Picture
    picture: Picture
    light: Light | None = None

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(H, W, 3) float32 sRGB 0..1."""
        return self.picture.pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, 3)."""
        return self.picture.stored.shape

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the result, for example that no face was found."""
        return self.picture.notes

    @property
    def image(self) -> Image:
        """The picture as a PIL image, 8 bits; "RGBA" where the photo is transparent."""
        from PIL import Image

        pixels, alpha = to_u8(self.picture.stored), self.picture.alpha
        if alpha is None:
            return Image.fromarray(pixels)
        return Image.fromarray(np.concatenate([pixels, to_u8(alpha)], axis=-1))

    def save(self, path: Path | str) -> tuple[str, ...]:
        """Write the picture; the ending says the format. Returns notes about what the format cannot hold.

        Raises:
            RelightError: an unknown ending, or a file that cannot be written.
        """
        return write_picture(Path(path), self.picture)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The pixels."""
        return np.array(self.pixels, dtype=dtype or np.float32)

    def _repr_png_(self) -> bytes:
        return png_of(self.picture.stored, self.picture.alpha)

    def _repr_html_(self) -> str:
        cells = (("before", self.before), ("after", self.picture))
        shown = "".join(
            f'<figure style="margin:0;flex:1 1 0;min-width:0;text-align:center"><img alt="{name}" '
            f'style="max-width:100%;height:auto" src="{data_url(png_of(each.stored, each.alpha, 512))}">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, each in cells
        )
        said = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f'<div style="display:flex;gap:8px;max-width:1040px">{shown}</div>{said}'


def relight(
    photo: PhotoLike,
    *,
    light: Light | str | None = None,
    method: str | None = None,
    weights: Path | str | None = None,
    light_from: Path | str | None = None,
    engine: Engine = "auto",
    **options: Unpack[ChangeOptions],
) -> Relit:
    """Return one photo under another light, at its full size.

    The network is loaded for each call; for many photos use `relight_photos`.

    Args:
        photo: a file, a PIL picture, or (H, W, 3) sRGB as an array or a tensor: float 0..1 or uint8.
        light: the new light, or a word for one: a preset ("rembrandt"), a file or a VIDIT code. None relights
            people by the usual portrait light, and other photos as a scene.
        method, weights, light_from, engine: as in `relight_photos`.
        options: the fields of `RelightOptions`: strength, temperature, size, keep_background, sphere and so
            on.

    Raises:
        RelightError: what was given is no photo (it says what was expected and what came), or as in
            `relight_photos`.

    Example:
        >>> import numpy as np
        >>> relit = relight(np.full((48, 64, 3), 0.5), method="dmshn")
        >>> relit.shape, relit.image.size
        ((48, 64, 3), (64, 48))
    """
    before = as_picture(photo)
    wanted = _as_light(light)
    after = relight_picture(
        before,
        method=method,
        weights=weights,
        light_from=light_from,
        engine=engine,
        light=wanted,
        **options,
    )
    return Relit(before, after, wanted)


def as_picture(photo: Any) -> Picture:
    """Return a photo as a `Picture`, in whatever form it comes; see `relight`.

    Raises:
        RelightError: no photo; it says what was expected and what came.
    """
    if isinstance(photo, Picture):
        return photo
    if isinstance(photo, Relit):
        return photo.picture
    if isinstance(photo, str | Path):
        return read_picture(photo)
    if hasattr(photo, "getbands") and hasattr(photo, "convert"):
        return _of_pil(photo)
    try:
        pixels = np.asarray(photo)
    except (TypeError, ValueError) as error:
        raise _no_photo(type(photo).__name__) from error
    if pixels.dtype == object or pixels.ndim == 0:
        raise _no_photo(type(photo).__name__)
    if pixels.ndim == 4:
        raise RelightError(
            f"A batch of shape {pixels.shape} came where one photo (H, W, 3) is expected: call relight for "
            "each, or use tf_relight.load for batches."
        )
    return _of_array(pixels)


def _of_array(pixels: np.ndarray) -> Picture:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise RelightError(f"A photo must have the shape (H, W, 3), not {pixels.shape}.")
    if pixels.dtype == np.uint8:
        return Picture(pixels)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise RelightError(f"A photo must be uint8 or floating point 0..1, not {pixels.dtype}.")
    if not np.isfinite(pixels).all():
        raise RelightError("A floating point photo must hold finite numbers within 0..1; others came.")
    if pixels.min() < 0 or pixels.max() > 1:
        raise RelightError("A floating point photo must lie within 0..1. Divide 8-bit values by 255.")
    return Picture(pixels.astype(np.float32), bits=16)


def _of_pil(image: Image) -> Picture:
    bands = image.getbands()
    clear = "A" in bands or "transparency" in image.info
    coded = np.asarray(image.convert("RGBA" if clear else "RGB"))
    alpha = coded[..., 3:].astype(np.float32) / 255 if clear else None
    return Picture(np.ascontiguousarray(coded[..., :3]), alpha)


def _no_photo(came: str) -> RelightError:
    return RelightError(
        f"A photo is a file, a PIL picture, or an array or a tensor of shape (H, W, 3); a {came} came."
    )


def _as_light(light: Any) -> Light | None:
    from tf_relight.light.light import Light

    if light is None or isinstance(light, Light):
        return light
    if isinstance(light, str | Path):
        return Light.parse(str(light))
    raise RelightError(
        f"A light is a tf_relight.Light or a word such as 'rembrandt'; a {type(light).__name__} came."
    )
