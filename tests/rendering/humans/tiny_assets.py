"""A small asset folder of MakeHuman's layout: an egg with eyes, hair, brows and a shirt."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import cv2
import numpy as np

ROWS, COLUMNS = 40, 32
CHIN, EYES, COUNT = 747, range(13606, 13622), 13700
CENTRE, RADII = np.array([0, 7.3, 0.25]), np.array([0.75, 1.15, 0.95])
HEADER = "# This asset was released as CC0\n"


def write_assets(root: Path, *, curtain: bool = False, manifest: bool = True) -> Path:
    """Write the folder; with `curtain` the only hair hangs in front of the whole face."""
    body, faces = _body()
    _write_obj(root / "3dobjs/base.obj", body, faces, group="body")
    _write_targets(root / "targets")
    rng = np.random.default_rng(0)
    for name in ("young_lightskinned_female_diffuse", "middleage_darkskinned_male_diffuse"):
        dark = 90 if "dark" in name else 190
        _write_png(root / f"skins/textures/{name}.png", dark + rng.integers(-12, 12, (64, 64, 3)))
    _write_eyes(root / "eyes")
    _write_png(root / "eyes/materials/brown_eye.png", rng.integers(20, 230, (64, 64, 3)))
    hair = _sheet(-0.6, 0.6, 6.3, 8.3, 1.35) if curtain else _sheet(-0.7, 0.7, 7.0, 8.4, -0.85)
    _write_proxy(root / "hair/long01", hair, body, alpha=255)
    _write_proxy(root / "eyebrows/eyebrow001", _sheet(-0.4, 0.4, 7.42, 7.5, 1.22), body, alpha=200)
    for gender in ("male", "female"):
        _write_proxy(root / f"clothes/{gender}_shirt01", _sheet(-1.5, 1.5, 4.5, 6.1, 0.9), body, alpha=255)
    if manifest:
        write_manifest(root)
    return root


def write_manifest(root: Path, licence: str = "CC0-1.0") -> None:
    """List all files of the folder with their hashes."""
    lines = ["file\tbytes\tsha256\torigin\tlicence"]
    for path in sorted(root.rglob("*.*")):
        if path.parent != root and path.is_file():
            found = path.read_bytes()
            name = path.relative_to(root).as_posix()
            lines.append(f"{name}\t{len(found)}\t{hashlib.sha256(found).hexdigest()}\tmade here\t{licence}")
    (root / "MANIFEST.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _body() -> tuple[np.ndarray, np.ndarray]:
    polar = np.pi * (np.arange(ROWS) + 0.5) / ROWS
    turn = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    y, ring = -np.cos(polar)[:, None], np.sin(polar)[:, None]
    points = np.stack(np.broadcast_arrays(ring * np.sin(turn), y, ring * np.cos(turn)), axis=-1)
    grid = (points * RADII + CENTRE).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(ROWS - 1), np.arange(COLUMNS), indexing="ij")
    across = (column + 1) % COLUMNS
    places = [
        row * COLUMNS + column,
        row * COLUMNS + across,
        (row + 1) * COLUMNS + across,
        (row + 1) * COLUMNS + column,
    ]
    faces = np.stack(places, axis=-1).reshape(-1, 4)
    body = np.zeros((COUNT, 3))
    body[: len(grid)] = grid
    chin = 2 * COLUMNS  # low, and in front
    body[[CHIN, chin]] = body[[chin, CHIN]]
    swapped = faces.copy()
    swapped[faces == chin], swapped[faces == CHIN] = CHIN, chin
    half = len(EYES) // 2
    body[EYES[:half]], body[EYES[half:]] = [0.3, 7.3, 1.0], [-0.3, 7.3, 1.0]
    return body, swapped


def _write_targets(folder: Path) -> None:
    rows = {
        "macrodetails/caucasian-male-young": "0 .01 0 0\n1 0 .02 0\n",
        "macrodetails/african-female-old": "2 0 .01 0\n",
        "macrodetails/universal-female-young-averagemuscle-averageweight": "3 .01 0 0\n",
        "nose/nose-hump-decr": "600 0 0 -.02\n",
        "nose/nose-hump-incr": "600 0 0 .02\n",
        "ears/l-ear-lobe-decr": "500 -.01 0 0\n",
        "ears/l-ear-lobe-incr": "500 .01 0 0\n",
        "ears/r-ear-lobe-decr": "510 -.01 0 0\n",
        "ears/r-ear-lobe-incr": "510 .01 0 0\n",
        "expression/units/caucasian/mouth-corner-puller": "700 0 .02 0\n",
    }
    for name, text in rows.items():
        path = folder / f"{name}.target.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(f"# a target\n{text}".encode(), mtime=0))


def _write_eyes(folder: Path) -> None:
    """Two octagons before the head, each vertex bound to the centre of its eye."""
    turn = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([0.1 * np.cos(turn), 0.1 * np.sin(turn), np.full(8, 0.18)], axis=-1)
    offsets = np.concatenate([ring, [[0, 0, 0.24]]])
    faces = np.array([[8, i, (i + 1) % 8, 8] for i in range(8)])
    lines, vertices = [], []
    for first, side in ((EYES[0], 0.3), (EYES[-1], -0.3)):
        lines += [f"{first} {first} {first} 1 0 0 {a:.4f} {b:.4f} {c:.4f}" for a, b, c in offsets]
        vertices += [np.array([side, 7.3, 1.0]) + offset for offset in offsets]
    _write_mhclo(folder / "low-poly/low-poly.mhclo", lines)
    _write_obj(folder / "low-poly/low-poly.obj", np.array(vertices), np.concatenate([faces, faces + 9]))


def _sheet(left: float, right: float, low: float, high: float, depth: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(left, right, 6), np.linspace(low, high, 6))
    points = np.stack([x, y, np.full_like(x, depth)], axis=-1).reshape(-1, 3)
    faces = np.array(
        [[r * 6 + c, r * 6 + c + 1, r * 6 + c + 7, r * 6 + c + 6] for r in range(5) for c in range(5)]
    )
    return points, faces


def _write_proxy(folder: Path, sheet: tuple[np.ndarray, np.ndarray], body: np.ndarray, alpha: int) -> None:
    points, faces = sheet
    name = folder.name
    offsets = points - body[EYES[0]]
    lines = [f"{EYES[0]} {EYES[0]} {EYES[0]} 1 0 0 {a:.4f} {b:.4f} {c:.4f}" for a, b, c in offsets]
    _write_mhclo(folder / f"{name}.mhclo", lines)
    _write_obj(folder / f"{name}.obj", points, faces)
    picture = np.full((32, 32, 4), alpha)
    picture[..., :3] = np.random.default_rng(1).integers(40, 120, (32, 32, 3))
    _write_png(folder / f"{name}{'' if 'brow' in name else '_diffuse'}.png", picture)


def _write_mhclo(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["name thing", "verts 0", "material thing.mhmat", *lines, "", "delete_verts", "3 - 5 9"])
    path.write_text(HEADER + text + "\n", encoding="utf-8")


def _write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray, group: str = "thing") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in vertices]
    # Texture coordinates from the front; the skins' typical colour is taken from their right side.
    lines += [f"vt {min(max(0.5 + x / 4, 0), 1):.4f} {min(max(y / 9, 0), 1):.4f}" for x, y, _ in vertices]
    lines.append(f"g {group}")
    for face in faces:
        corners = face[:3] if face[2] == face[3] else face
        lines.append("f " + " ".join(f"{i + 1}/{i + 1}" for i in corners))
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def _write_png(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
