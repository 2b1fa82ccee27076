"""Photos relit by networks that give a picture in colour and take a light.

The network works on each face with some margin, small; the change of all three colours is brought to full
size (`photo.transfer`). A coloured light reaches networks that know colour; the picture of others is tinted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.methods.method import light_input
from tf_relight.networks.running import run_network, training_size
from tf_relight.photo.colour import linear_to_srgb, luminance, srgb_to_linear
from tf_relight.photo.faces import find_faces
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.transfer import transfer
from tf_relight.relighting.portraits import coloured, network_light, regions, size_for_network, with_sphere
from tf_relight.relighting.squares import as_square

if TYPE_CHECKING:
    from tf_relight.contract.card import Port
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import LoadedModel
    from tf_relight.relighting.request import RelightOptions


def relight_in_colour(picture: Picture, loaded: LoadedModel, options: RelightOptions) -> Picture:
    """Return the picture under `options.light`, at its own size.

    Raises:
        RelightError: no light, no face to keep the background of, or the network failed.
    """
    if options.light is None:
        raise RelightError("This method needs a light.")
    light = coloured(options.light, options.temperature)
    faces = find_faces(picture.pixels)
    if options.keep_background and not faces:
        raise RelightError(
            "No face was found, so the background cannot be told from the person. "
            "Leave out --keep-background."
        )
    side = options.size or training_size(loaded)
    change = np.zeros_like(picture.pixels)
    reach = np.zeros((*picture.size, 1), np.float32)
    for rows, columns, window in regions(picture.size, faces):
        full = picture.pixels[rows, columns]
        small = resize(full, size_for_network(full.shape, side))
        relit = transfer(full, small, _relit(small, loaded, light))
        weight = np.ones(full.shape[:2], np.float32) if window is None else window
        change[rows, columns] += weight[..., None] * (relit - full)
        reach[rows, columns] += weight[..., None]
    change *= np.float32(options.strength) / np.maximum(reach, 1)
    if options.keep_background:
        change *= person_mask(picture.pixels, faces)[..., None]
    shown = with_sphere(picture.with_pixels(np.clip(picture.pixels + change, 0, 1)), options)
    note = () if faces else ("No face was found; the whole picture was relit, which may look wrong.",)
    return replace(shown, notes=shown.notes + note)


def network_numbers(light: Light, port: Port) -> np.ndarray:
    """Return a light (9, C) float32 for a port, as bright as those of the networks' training."""
    grey = network_light(light, port.domain)
    if port.channels == 1:
        return grey[:, None]
    told = light.told_in(port.domain)
    return (told.coefficients * (grey[0] / told.luminance[0])).astype(np.float32)


def _relit(small: np.ndarray, loaded: LoadedModel, light: Light) -> np.ndarray:
    method, port = loaded.method, loaded.method.info.light
    assert port is not None
    square, place = as_square(method.picture_input(small))
    inputs: dict[str, Any] = {
        method.info.picture.name: square,
        port.name: light_input(port, network_numbers(light, port)),
    }
    relit = run_network(lambda: np.clip(method.predict(loaded.model, **inputs)["relit"][place], 0, 1))
    if port.channels == 3:
        return relit
    tint = np.maximum(light.told_in("linear").coefficients[0], 0)
    tint = (tint / max(float(luminance(tint)), 1e-6)).astype(np.float32)
    return np.clip(linear_to_srgb(srgb_to_linear(relit) * tint), 0, 1).astype(np.float32)
