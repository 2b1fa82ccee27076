"""Who a head is: gender, age, ancestry, skin tone, build, face and expression.

The three that a data set must be balanced in (gender, age, skin tone) follow a sequence of low discrepancy
over the head numbers, so that any run of heads covers them evenly; all else is random.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.sliders import Slider, face_sliders

ANCESTRIES = ("african", "asian", "caucasian")
AGES = (11.0, 85.0)
"""Years, uniform in between."""
TONES = (24.0, 78.0)
"""L of Lab of the skin's albedo, uniform in between; from the Monk scale's darkest tones to its lightest."""
CHILD, GROWN, AGED = 11.0, 24.0, 88.0
"""Ages of MakeHuman's child, young and old bodies."""
_PLASTIC = (
    1.2207440846057596  # of three dimensions. Source: Roberts, "The unreasonable effectiveness ...", 2018
)


@dataclass(frozen=True)
class Person:
    """One person.

    Attributes:
        gender: "female" or "male"; masculinity 0..1 is the share of the male body.
        age: in years. tone: L of Lab of the skin's albedo, 0..100.
        ancestry: (3,) shares of ANCESTRIES.
        muscle, weight: 0..1.
        face: {target file: amount}.
    """

    gender: str
    masculinity: float
    age: float
    tone: float
    ancestry: tuple[float, float, float]
    muscle: float
    weight: float
    face: dict[str, float] = field(repr=False)

    @property
    def oldness(self) -> float:
        """0 until 35 years, 1 from 80."""
        return float(np.clip((self.age - 35) / 45, 0, 1))


def draw_person(library: Library, seed: int, number: int, rng: np.random.Generator) -> Person:
    """Draw head `number` of the set `seed`; what is not balanced comes from `rng`."""
    first, second, third = _even(seed, number)
    gender = "male" if first < 0.5 else "female"
    age = AGES[0] + (AGES[1] - AGES[0]) * second
    tone = TONES[0] + (TONES[1] - TONES[0]) * third
    blend = rng.beta(1.0, 4.0) * 0.25
    masculinity = 1 - blend if gender == "male" else blend
    ancestry = rng.dirichlet([0.35] * 3)
    if rng.random() < 0.6:  # tone and ancestry go together more often than not, and never always
        likely = np.array([max(0.0, (52 - tone) / 28), 0.25, max(0.0, (tone - 40) / 38)])
        ancestry = 0.3 * ancestry + 0.7 * rng.dirichlet(0.15 + 1.5 * likely)
    face = _draw_face(library, rng)
    face.update(_draw_expression(library, ANCESTRIES[int(np.argmax(ancestry))], rng))
    a, b, c = (float(share) for share in ancestry)
    return Person(
        gender,
        masculinity,
        age,
        tone,
        (a, b, c),
        float(rng.uniform(0.1, 0.9)),
        float(np.clip(rng.normal(0.5, 0.24), 0, 1)),
        face,
    )


def shape(library: Library, person: Person) -> np.ndarray:
    """Return the vertices (V, 3) of the person's body.

    Raises:
        AssetError: a target is damaged.
    """
    vertices = library.body.vertices.copy()
    for name, amount in _macro_targets(library, person).items():
        library.morph(name).add_to(vertices, amount)
    for name, amount in person.face.items():
        library.morph(name).add_to(vertices, amount)
    return vertices


def _even(seed: int, number: int) -> np.ndarray:
    start = np.random.default_rng([seed, 0xFACE]).random(3)
    return (start + (number + 1) / _PLASTIC ** np.arange(1, 4)) % 1


def _ages(age: float) -> dict[str, float]:
    child = float(np.clip((GROWN - age) / (GROWN - CHILD), 0, 1))
    old = float(np.clip((age - GROWN) / (AGED - GROWN), 0, 1))
    return {"child": child, "young": 1 - child - old, "old": old}


def _thirds(names: tuple[str, str, str], value: float) -> dict[str, float]:
    low, high = max(0.0, 1 - 2 * value), max(0.0, 2 * value - 1)
    return dict(zip(names, (low, 1 - low - high, high), strict=True))


def _macro_targets(library: Library, person: Person) -> dict[str, float]:
    """Mix the body shapes as MakeHuman does: each target weighs the product of its words' shares."""
    genders = {"male": person.masculinity, "female": 1 - person.masculinity}
    muscles = _thirds(("minmuscle", "averagemuscle", "maxmuscle"), person.muscle)
    weights = _thirds(("minweight", "averageweight", "maxweight"), person.weight)
    found: dict[str, float] = {}
    for gender, gender_share in genders.items():
        for age, age_share in _ages(person.age).items():
            both = gender_share * age_share
            for ancestry, share in zip(ANCESTRIES, person.ancestry, strict=True):
                found[f"{ancestry}-{gender}-{age}"] = both * share
            for muscle, muscle_share in muscles.items():
                for weight, weight_share in weights.items():
                    found[f"universal-{gender}-{age}-{muscle}-{weight}"] = both * muscle_share * weight_share
    paths = {
        f"targets/macrodetails/{name}.target.gz": amount for name, amount in found.items() if amount > 0.01
    }
    return {path: amount for path, amount in paths.items() if library.folder.has(path)}


def _draw_face(library: Library, rng: np.random.Generator) -> dict[str, float]:
    face: dict[str, float] = {}
    for slider in library.made("sliders", lambda: face_sliders(library.folder)):
        if rng.random() < 0.35:
            continue
        amount = float(np.clip(rng.normal(0, slider.spread), -0.9, 0.9))
        face.update(_moved(slider, amount, rng))
    for name in library.folder.files("targets/asym/asym-*.target.gz"):
        if rng.random() < 0.12:
            face[name] = float(rng.uniform(0, 0.35))
    return face


def _moved(slider: Slider, amount: float, rng: np.random.Generator) -> dict[str, float]:
    """Both sides of a face move together, and not quite alike."""
    found = {}
    for less, more in slider.ends:
        own = float(np.clip(amount + rng.normal(0, 0.07), -1, 1)) if len(slider.ends) > 1 else amount
        name = more if own > 0 else less
        if name is not None:
            found[name] = abs(own)
    return found


def _draw_expression(library: Library, ancestry: str, rng: np.random.Generator) -> dict[str, float]:
    folder = f"targets/expression/units/{ancestry}"
    known = {
        name.rpartition("/")[2].removesuffix(".target.gz"): name
        for name in library.folder.files(f"{folder}/*")
    }
    wanted: dict[str, float] = {}
    if rng.random() < 0.45:
        smile = rng.uniform(0.15, 0.9)
        wanted["mouth-corner-puller"] = smile
        if rng.random() < 0.5:
            wanted["mouth-upward-retraction"] = smile * rng.uniform(0.1, 0.4)
        if rng.random() < 0.45:
            wanted["mouth-part-later"] = rng.uniform(0.1, 0.5)
    elif rng.random() < 0.25:
        wanted["mouth-open"] = rng.uniform(0.05, 0.5)
    for name in known:
        if (
            name.startswith(("eyebrows", "nose", "mouth-comp", "mouth-elev", "mouth-dep"))
            and rng.random() < 0.12
        ):
            wanted[name] = rng.uniform(0, 0.5)
    lids = rng.uniform(0, 0.35) if rng.random() < 0.5 else 0.0
    if rng.random() < 0.03:
        lids = 1.0
    if lids:
        wanted["eye-left-closure"] = wanted["eye-right-closure"] = lids
    return {known[name]: float(amount) for name, amount in wanted.items() if name in known}
