"""Putting scenes together: props from primitives, and the four kinds of places they stand in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tf_relight.rendering.primitives import (
    SHAPES,
    Primitive,
    make_primitive,
    rock_planes,
    rotation_x,
    rotation_y,
    rotation_z,
)
from tf_relight.rendering.scenes.materials import Material, draw_material

KINDS = ("yard", "rocks", "street", "room")
GROUND = {
    "yard": ("grass", "dirt", "stone", "tiles", "concrete"),
    "rocks": ("sand", "dirt", "snow", "grass"),
    "street": ("asphalt", "concrete", "tiles", "stone"),
    "room": ("planks", "tiles", "concrete", "wood"),
}


class Assembly:
    """A growing scene: primitives, their materials, and the random numbers they are drawn with.

    Primitive 0 is always the ground; everything else stands on it (z >= 0).
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.primitives: list[Primitive] = []
        self.materials: list[Material] = []

    def material(self, *kinds: str) -> int:
        """Draw a material of one of the named substances; returns its number."""
        self.materials.append(draw_material(self.rng, str(self.rng.choice(kinds))))
        return len(self.materials) - 1

    def spin(self, tilt: float = 0.0) -> np.ndarray:
        """A random rotation about the vertical, leaning by about `tilt` radians."""
        turn = rotation_z(self.rng.uniform(0, 2 * np.pi))
        if not tilt:
            return turn
        return turn @ rotation_x(self.rng.normal(0, tilt)) @ rotation_y(self.rng.normal(0, tilt))

    def add(
        self,
        shape: str,
        scale: ArrayLike,
        centre: ArrayLike,
        material: int,
        rotation: np.ndarray | None = None,
        bulge: float | None = None,
    ) -> None:
        """Add a solid; `scale` holds half sizes in metres. `bulge` makes a cylinder barrel-shaped."""
        planes, quadric = SHAPES[shape] if shape != "rock" else (rock_planes(self.rng), None)
        if bulge is not None:
            quadric = (bulge, 1.0)
        seed = int(self.rng.integers(1, 1000))
        self.primitives.append(make_primitive(planes, quadric, scale, centre, rotation, material, seed))


def assemble(rng: np.random.Generator, kind: str) -> Assembly:
    """Build a random scene of one of KINDS: ground, background, one main object near the origin, company."""
    scene = Assembly(rng)
    scene.add("box", (60, 60, 0.5), (0, 20, -0.5), scene.material(*GROUND[kind]))
    BACKGROUNDS[kind](scene)
    main = (stone, stone, statue, column) if kind == "rocks" else PROPS
    company = (stone, stone, stone, crate) if kind == "rocks" else PROPS
    _pick(scene, main)(scene, rng.normal(0, 0.3), rng.normal(0, 0.3))
    for _ in range(rng.integers(3, 9)):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(1.2, 4.5)
        x, y = distance * np.cos(angle), 0.6 + 0.8 * distance * np.sin(angle)
        _pick(scene, company)(scene, x, y)
    return scene


def _pick(scene, choices):
    return choices[scene.rng.integers(len(choices))]


# Props: each stands at (x, y) on the ground


def crate(scene: Assembly, x: float, y: float) -> None:
    """A cube, sometimes with a smaller one on top."""
    half = scene.rng.uniform(0.35, 0.7)
    material = scene.material("planks", "wood", "metal", "paint")
    scene.add("box", (half, half, half), (x, y, half), material, scene.spin())
    if scene.rng.random() < 0.25:
        small = half * scene.rng.uniform(0.4, 0.7)
        scene.add("box", (small, small, small), (x, y, 2 * half + small), material, scene.spin())


def barrel(scene: Assembly, x: float, y: float) -> None:
    """A bulging cylinder with a metal hoop."""
    height, radius = scene.rng.uniform(0.55, 0.8), scene.rng.uniform(0.38, 0.5)
    bulge = scene.rng.uniform(0, 0.35)
    scene.add(
        "cylinder",
        (radius, radius, height),
        (x, y, height),
        scene.material("wood", "metal", "paint", "planks"),
        scene.spin(),
        bulge=bulge,
    )
    hoop_radius = radius * np.sqrt(1 - bulge / 4) * 1.02
    hoop = scene.material("metal")
    for z in (0.5, 1.5):
        scene.add("cylinder", (hoop_radius, hoop_radius, 0.03), (x, y, height * z), hoop)


def stone(scene: Assembly, x: float, y: float, size: float | None = None) -> None:
    """A faceted rock, a little sunk into the ground."""
    size = size or scene.rng.uniform(0.25, 0.9)
    scale = size * scene.rng.uniform((0.8, 0.7, 0.6), (1.3, 1.1, 1.2))
    scene.add("rock", scale, (x, y, size * 0.45), scene.material("stone", "stone", "dirt"), scene.spin(0.5))


def column(scene: Assembly, x: float, y: float) -> None:
    """A round shaft between two square slabs."""
    height, radius = scene.rng.uniform(1.2, 2.6), scene.rng.uniform(0.18, 0.4)
    material = scene.material("stone", "plaster", "tiles")
    slab = (radius * 1.4, radius * 1.4, 0.12)
    scene.add("cylinder", (radius, radius, height), (x, y, height), material, bulge=0.05)
    scene.add("box", slab, (x, y, 0.12), material)
    scene.add("box", slab, (x, y, 2 * height), material)


def statue(scene: Assembly, x: float, y: float) -> None:
    """A figure of ellipsoids on a pedestal."""
    rng, material = scene.rng, scene.material("stone", "plaster")
    base = rng.uniform(0.4, 0.6)
    scene.add("box", (base, base, 0.35), (x, y, 0.35), material, scene.spin())
    scene.add("ellipsoid", (0.32, 0.25, 0.5), (x, y, 1.15), material)
    scene.add("ellipsoid", (0.2, 0.2, 0.25), (x, y, 1.85), material)
    for side in (-1, 1):
        arm = rotation_y(side * rng.uniform(0.3, 1.1))
        scene.add("ellipsoid", (0.1, 0.1, 0.45), (x + side * 0.38, y, 1.3), material, arm)


def table(scene: Assembly, x: float, y: float) -> None:
    """A round or square table with a few things on it."""
    rng, material = scene.rng, scene.material("wood", "planks")
    half, height = rng.uniform(0.6, 1.1), rng.uniform(0.7, 0.9)
    turn = scene.spin()
    if rng.random() < 0.5:
        scene.add("cylinder", (half, half, 0.06), (x, y, height), material, turn)
        scene.add("cylinder", (0.12, 0.12, height / 2), (x, y, height / 2), material, turn)
    else:
        scene.add("box", (half, half * 0.6, 0.05), (x, y, height), material, turn)
        for sx in (-0.85, 0.85):
            for sy in (-0.5, 0.5):
                dx, dy, _ = turn @ (sx * half, sy * half, 0)
                scene.add("box", (0.06, 0.06, height / 2), (x + dx, y + dy, height / 2), material, turn)
    for _ in range(rng.integers(0, 4)):
        size, angle = rng.uniform(0.08, 0.16), rng.uniform(0, 2 * np.pi)
        distance = rng.uniform(0, 0.45) * half
        tall = size * rng.uniform(0.8, 1.8)
        shape = ("ellipsoid", "cylinder", "box")[rng.integers(3)]
        place = (x + distance * np.cos(angle), y + distance * np.sin(angle), height + 0.06 + tall)
        scene.add(shape, (size, size, tall), place, scene.material("paint"), scene.spin())


def fence(scene: Assembly, x: float, y: float) -> None:
    """Posts with two rails."""
    turn, material = scene.spin(), scene.material("wood")
    posts, gap = scene.rng.integers(3, 7), scene.rng.uniform(0.8, 1.2)
    for i in range(posts):
        dx, dy, _ = turn @ ((i - (posts - 1) / 2) * gap, 0, 0)
        scene.add("box", (0.07, 0.07, 0.6), (x + dx, y + dy, 0.6), material, turn)
    for z in (0.45, 0.9):
        scene.add("box", (posts * gap / 2, 0.035, 0.07), (x, y, z), material, turn)


def stairs(scene: Assembly, x: float, y: float) -> None:
    """A few steps."""
    rng, material = scene.rng, scene.material("stone", "concrete", "brick")
    turn = rotation_z(rng.integers(4) * np.pi / 2)
    for i in range(rng.integers(3, 6)):
        dx, dy, _ = turn @ (0, 0.35 * i, 0)
        rise = 0.12 * (i + 1)
        scene.add("box", (1.0, 0.175, rise), (x + dx, y + dy, rise), material, turn)


def tree(scene: Assembly, x: float, y: float) -> None:
    """A conifer of stacked pyramids or a crown of ellipsoids."""
    rng = scene.rng
    height = rng.uniform(1.2, 2.2)
    scene.add("cylinder", (0.16, 0.16, height), (x, y, height), scene.material("wood"))
    leaf = scene.material("leaf")
    if rng.random() < 0.5:
        for i in range(3):
            half = 2.2 - 0.5 * i
            scene.add("pyramid", (half, half, 1.5), (x, y, height * 0.9 + i * 0.9), leaf, scene.spin())
        return
    for _ in range(rng.integers(3, 6)):
        place = (x + rng.normal(0, 0.5), y + rng.normal(0, 0.5), 2 * height + rng.normal(0, 0.4))
        scene.add("ellipsoid", rng.uniform(0.5, 0.95, 3), place, leaf, scene.spin())


def house(scene: Assembly, x: float, y: float, half_width: float | None = None) -> None:
    """A block with a roof and dark windows."""
    rng = scene.rng
    width = half_width or rng.uniform(1.6, 3.5)
    depth, height = rng.uniform(1.5, 3), rng.uniform(1.5, 3.5)
    turn = rotation_z(rng.normal(0, 0.5))
    walls = scene.material("brick", "planks", "plaster", "stone", "concrete")
    scene.add("box", (width, depth, height), (x, y, height), walls, turn)
    if rng.random() < 0.7:
        ridge = rotation_z(np.pi / 2) if rng.random() < 0.5 else np.eye(3)
        half = max(width, depth) * 1.12
        roof = scene.material("tiles", "planks", "dirt")
        scene.add("gable", (half, half, rng.uniform(1, 2)), (x, y, 2 * height - 0.01), roof, turn @ ridge)
    pane, frame = scene.material("asphalt"), scene.material("wood")
    columns = rng.permutation((-0.6, 0.0, 0.6))[: rng.integers(1, 4)]
    for across in columns:
        dx, dy, _ = turn @ (across * width, -depth - 0.005, 0)
        place = (x + dx, y + dy, rng.uniform(0.5, 1.5) * height)
        scene.add("box", (0.35, 0.03, 0.45), place, pane, turn)
        scene.add("box", (0.42, 0.02, 0.52), place, frame, turn)


PROPS = (crate, barrel, stone, column, statue, table, fence, stairs)


# Backgrounds


def _yard(scene):
    for _ in range(scene.rng.integers(0, 3)):
        house(scene, scene.rng.uniform(-9, 9), scene.rng.uniform(6, 13))
    for _ in range(scene.rng.integers(0, 4)):
        tree(scene, scene.rng.uniform(-9, 9), scene.rng.uniform(3, 12))


def _rocks(scene):
    for _ in range(scene.rng.integers(3, 8)):
        stone(scene, scene.rng.uniform(-9, 9), scene.rng.uniform(4, 14), scene.rng.uniform(1, 3.5))


def _street(scene):
    for _ in range(scene.rng.integers(1, 4)):
        house(scene, scene.rng.uniform(-8, 8), scene.rng.uniform(5, 11), scene.rng.uniform(2, 4))


def _room(scene):
    rng = scene.rng
    wall = scene.material("plaster", "brick", "planks", "concrete")
    scene.add("box", (12, 0.2, 4), (0, rng.uniform(3.5, 6), 4), wall)
    if rng.random() < 0.8:
        side = rng.choice((-1, 1))
        material = wall if rng.random() < 0.6 else scene.material("plaster")
        scene.add("box", (0.2, 14, 4), (side * rng.uniform(4, 6.5), 0, 4), material)


BACKGROUNDS = {"yard": _yard, "rocks": _rocks, "street": _street, "room": _room}
