"""Photos relit by networks that give a picture in colour and take a light.

The network works on each face with some margin, upright and small; the change of all three colours is brought
to full size (`photo.transfer`). A coloured light reaches networks that know colour; the picture of others is
tinted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.errors import RelightError
from tf_relight.methods.method import light_input
from tf_relight.networks.running import run_network, training_size
from tf_relight.photo.colour import linear_to_srgb, luminance, srgb_to_linear
from tf_relight.photo.faces import Face, find_faces
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.transfer import SRGB_FOOT, transfer
from tf_relight.relighting.ball import with_sphere
from tf_relight.relighting.face_places import regions, same_shape
from tf_relight.relighting.light_range import exposed, luminance_of_light
from tf_relight.relighting.light_tint import coloured
from tf_relight.relighting.squares import as_square
from tf_relight.relighting.turning import turn_of, turned

if TYPE_CHECKING:
    from tf_relight.contract.card import Port
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import LoadedModel
    from tf_relight.relighting.request import RelightOptions


def relight_in_colour(
    picture: Picture, loaded: LoadedModel, options: RelightOptions, faces: Sequence[Face] | None = None
) -> Picture:
    """Return the picture under `options.light`, at its own size.

    Args:
        faces: those to relight; None looks for them.

    Raises:
        RelightError: no light, no face to keep the background of, or the network failed.
    """
    if options.light is None:
        raise RelightError("This method needs a light.")
    light = coloured(options.light, options.temperature)
    faces = find_faces(picture.pixels) if faces is None else faces
    if options.keep_background and not faces:
        raise RelightError(
            "No face was found, so the background cannot be told from the person. "
            "Leave out --keep-background."
        )
    side = options.size or training_size(loaded)
    change = np.zeros_like(picture.pixels)
    reach = np.zeros((*picture.size, 1), np.float32)
    for number, (rows, columns, window) in enumerate(regions(picture.size, faces)):
        full = picture.pixels[rows, columns]
        small = resize(full, same_shape(full.shape, side))
        turn = turn_of(faces[number].tilt) if faces else 0.0
        relit = transfer(full, small, _relit(small, loaded, light, turn))
        weight = np.ones(full.shape[:2], np.float32) if window is None else window
        change[rows, columns] += weight[..., None] * (relit - full)
        reach[rows, columns] += weight[..., None]
    change *= np.float32(options.strength) / np.maximum(reach, 1)
    if options.keep_background or (faces and loaded.method.info.task == "decomposition"):
        # What takes faces apart knows nothing of what is behind them.
        change *= person_mask(picture.pixels, faces)[..., None]
    shown = with_sphere(picture.with_pixels(np.clip(picture.pixels + change, 0, 1)), options)
    note = () if faces else ("No face was found; the whole picture was relit, which may look wrong.",)
    return replace(shown, notes=shown.notes + note)


def network_numbers(light: Light, port: Port, own: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Return a light (9, C) float32 for a port, as bright as those of the networks' training, and the gain.

    Args:
        own: (9,) grey, the photo's own light in the port's domain, whose exposure is kept; None if unknown.
    """
    grey, _, gain = exposed(light, port.domain, own)
    gain = 1.0 if own is None else gain
    if port.channels == 1:
        return grey[:, None], gain
    told = light.told_in(port.domain)
    return (told.coefficients * (grey[0] / told.luminance[0])).astype(np.float32), gain


def _relit(small: np.ndarray, loaded: LoadedModel, light: Light, turn: float) -> np.ndarray:
    """Return a small picture, whose head is turned clockwise by degrees, under a light."""
    if turn:
        square, place = as_square(small)
        seen = turned(square, -turn)
        relit = _relit(seen, loaded, light.rotate(roll=-turn), 0.0)
        # The ratio bears to be turned twice; the picture would lose its edges.
        ratio = turned((relit + SRGB_FOOT) / (seen + SRGB_FOOT), turn)[place]
        return np.clip(ratio * (small + SRGB_FOOT) - SRGB_FOOT, 0, 1).astype(np.float32)
    method, port = loaded.method, loaded.method.info.light
    assert port is not None
    square, place = as_square(method.picture_input(small))
    picture, source = method.info.picture.name, method.info.source_light

    def run(numbers: np.ndarray) -> dict[str, np.ndarray]:
        given: dict[str, Any] = {picture: square, port.name: light_input(port, numbers)}
        return method.predict(loaded.model, **given)

    own = None
    if source is not None and port.domain == "lightness":
        read = run(np.zeros((COEFFICIENTS, port.channels), np.float32))[source.name]
        own = luminance_of_light(read)
    numbers, gain = network_numbers(light, port, own)
    relit = run_network(lambda: np.clip(run(numbers)["relit"][place], 0, 1))
    relit = np.clip(np.float32(gain) * (relit + SRGB_FOOT) - SRGB_FOOT, 0, 1)
    if port.channels == 3:
        return relit
    tint = np.maximum(light.told_in("linear").coefficients[0], 0)
    tint = (tint / max(float(luminance(tint)), 1e-6)).astype(np.float32)
    return np.clip(linear_to_srgb(srgb_to_linear(relit) * tint), 0, 1).astype(np.float32)
