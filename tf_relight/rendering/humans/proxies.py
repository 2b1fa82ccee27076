"""Proxies: hair, clothes, eyes and teeth that are bound to the body's vertices and follow its shape.

Source: MakeHuman's .mhclo format: each vertex is a weighted sum of three vertices of the body plus an offset
that grows with the distance between two named vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.rendering.humans.assets import AssetError, asset_text
from tf_relight.rendering.humans.meshes import Mesh, read_obj

_SCALES = {"x_scale": 0, "y_scale": 1, "z_scale": 2}


@dataclass(frozen=True, eq=False)
class Proxy:
    """A mesh bound to the body.

    Attributes:
        mesh: its faces and texture coordinates.
        bound_to: (V, 3) numbers of the body's vertices. weights: (V, 3). offsets: (V, 3).
        scales: axis to (vertex, vertex, their distance in the body that the proxy was made on).
        hides: numbers of the body's vertices that it covers.
    """

    mesh: Mesh
    bound_to: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    scales: dict[int, tuple[int, int, float]]
    hides: np.ndarray

    def fit(self, body: np.ndarray) -> np.ndarray:
        """Return the vertices (V, 3) float32 on a body (B, 3)."""
        scale = np.ones(3, np.float32)
        for axis, (first, second, distance) in self.scales.items():
            scale[axis] = abs(body[first, axis] - body[second, axis]) / distance
        bound = np.einsum("vk,vkc->vc", self.weights, body[self.bound_to])
        return (bound + self.offsets * scale).astype(np.float32)


def read_proxy(mhclo: Path, obj: Path, count: int) -> Proxy:
    """Read a proxy from its .mhclo and its .obj file.

    Args:
        count: number of the body's vertices.

    Raises:
        AssetError: a file cannot be read, or the two do not fit each other or the body.
    """
    mesh = read_obj(obj)
    try:
        rows, scales, hides = _read(mhclo)
    except (ValueError, IndexError) as error:
        raise AssetError(f"{mhclo} is not a usable .mhclo file: {error}.") from error
    table = np.array(rows, np.float64).reshape(-1, 9)
    bound_to = table[:, :3].astype(np.int64)
    if len(table) != len(mesh.vertices):
        raise AssetError(f"{mhclo} binds {len(table)} vertices, but {obj} has {len(mesh.vertices)}.")
    used = [bound_to.ravel(), hides, *(np.array(pair[:2]) for pair in scales.values())]
    if not 0 <= min(a.min() for a in used if len(a)) <= max(a.max() for a in used if len(a)) < count:
        raise AssetError(f"{mhclo} is bound to vertices that the body does not have.")
    floats = table[:, 3:].astype(np.float32)
    return Proxy(mesh, bound_to, floats[:, :3], floats[:, 3:], scales, hides)


def _read(path: Path) -> tuple[list[list[float]], dict[int, tuple[int, int, float]], np.ndarray]:
    rows: list[list[float]] = []
    scales: dict[int, tuple[int, int, float]] = {}
    hidden: list[int] = []
    section = ""
    for line in asset_text(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in _SCALES:
            first, second, distance = int(words[1]), int(words[2]), float(words[3])
            if not distance > 0:
                raise ValueError(f"{words[0]} has no length")
            scales[_SCALES[words[0]]] = (first, second, distance)
        elif words[0] in ("verts", "delete_verts", "weights"):
            section = words[0]
        elif not words[0].isdigit():
            continue  # a property; some files have them between the head of a section and its numbers
        elif section == "verts":
            rows.append(_bound(words))
        elif section == "delete_verts":
            hidden += _numbers(words)
    return rows, scales, np.array(sorted(set(hidden)), np.int64)


def _bound(words: list[str]) -> list[float]:
    values = [float(word) for word in words]
    if len(values) == 1:
        return [values[0]] * 3 + [1.0, 0, 0, 0, 0, 0]
    if len(values) not in (6, 9):
        raise ValueError(f"'{' '.join(words)[:40]}' binds no vertex")
    return values + [0.0] * (9 - len(values))


def _numbers(words: list[str]) -> list[int]:
    """Read "3 7 - 12 20" as 3, 7..12, 20."""
    numbers: list[int] = []
    place = 0
    while place < len(words):
        first = int(words[place])
        if place + 2 < len(words) and words[place + 1] == "-":
            numbers += range(first, int(words[place + 2]) + 1)
            place += 3
        else:
            numbers.append(first)
            place += 1
    return numbers
