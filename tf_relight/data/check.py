"""`relight data check`: what a data folder holds, what is missing, what is broken. Needs no TensorFlow."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tf_relight.data.folder import find_pairs
from tf_relight.data.pictures import Glance, look, read_rgb
from tf_relight.data.portraits.dataset import (
    LISTS,
    Portrait,
    find_original,
    find_subjects,
    read_pairs,
    read_portrait_light,
)
from tf_relight.data.shards import SHARDS, SPLITS
from tf_relight.data.vidit.depth import read_depth
from tf_relight.data.vidit.layout import SHADOW_FREE, FoundFile, ViditScene, collect, find_files
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight
from tf_relight.rendering.tfrecord import StoredScene, stored_scenes

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_SHOWN = 8  # sentences of one kind in the text; the rest is counted


@dataclass
class Section:
    """One kind of scenes in one split, such as the 300 training scenes with 40 lights."""

    name: str
    """Track and split, such as "track 1 train"."""
    layout: str
    """Such as "40 named lights", "input and target"."""
    scenes: int
    needed: int
    """Pictures that each scene should have."""
    lights: tuple[ViditLight, ...] = ()
    pictures: int = 0
    depths: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Size and mode, such as "1024x1024 RGBA 8 bit", to the number of pictures."""
    missing: dict[str, int] = field(default_factory=dict)
    """Scene name to the number of pictures that it lacks, broken ones included."""
    no_depth: list[str] = field(default_factory=list)
    """Scenes without depth, where others have it."""
    broken: dict[Path, str] = field(default_factory=dict)
    """File to the sentence about it."""
    wrong: list[str] = field(default_factory=list)
    """Sentences about lights, lists and originals of portraits, and about scenes stored twice."""
    noun: str = "scene"

    @property
    def complete(self) -> int:
        """Number of scenes that have every picture."""
        return self.scenes - len(self.missing)

    def problems(self) -> list[str]:
        """Sentences about what is wrong; empty when all is well."""
        found = []
        if self.missing:
            worst = max(self.missing, key=lambda name: self.missing[name])
            what = "lights" if self.lights else "pictures"
            found.append(
                f"{self.name}: {worst} lacks {self.missing[worst]} of {self.needed} {what}, "
                f"{_count(len(self.missing), self.noun)} incomplete of {self.scenes}"
            )
        if self.no_depth:
            scenes = _count(len(self.no_depth), "scene")
            found.append(f"{self.name}: {scenes} without depth (first: {self.no_depth[0]})")
        if self.broken:
            found.append(f"{self.name}: {_count(len(self.broken), 'file')} empty, truncated or unreadable")
            found += _first(list(self.broken.values()))
        if self.wrong:
            found.append(f"{self.name}: {_count(len(self.wrong), 'mistake')}")
            found += _first(self.wrong)
        return found

    def line(self) -> str:
        """One line: what is there."""
        parts = [_count(self.scenes, self.noun), self.layout, _count(self.pictures, "picture")]
        if self.depths:
            parts.append(_count(self.depths, "depth file"))
        alone = len(self.kinds) == 1
        parts += [kind if alone else f"{kind} ({count})" for kind, count in self.kinds.most_common(4)]
        return ", ".join(parts)


@dataclass
class CheckReport:
    """What `check` found."""

    root: Path
    dataset: str
    """The `data.name` that reads this folder: "vidit", "shards", "portraits", "folder", or "" for unknown."""
    sections: list[Section] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Every sentence about something missing or broken."""
        if not self.sections:
            return [
                f"{self.root} holds no pictures that are recognised; wanted are Image000_6500_N.png, shards "
                "such as train/00000.tfrecord, folders with portraits such as NAME/NAME_00.png and "
                "NAME/NAME_light_00.txt, or folders 'input' and 'target' with pictures of equal names"
            ]
        return [sentence for section in self.sections for sentence in section.problems()]

    @property
    def exit_code(self) -> int:
        """0 when all is well, 2 when something is missing, broken or not recognised."""
        return 2 if self.problems else 0

    def text(self) -> str:
        """The report as one text."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The report as lines for the terminal."""
        lines = []
        if self.sections:
            width = max(len(section.name) for section in self.sections)
            lines.append(f"{self.root}: data.name={self.dataset}")
            lines += [f"  {section.name:<{width}}  {section.line()}" for section in self.sections]
            lines.append(f"Usable for: {', '.join(self._uses()) or 'nothing yet'}")
        problems = self.problems
        lines += (
            ["Problems:", *(f"  {sentence}" for sentence in problems)] if problems else ["No problems found."]
        )
        return lines

    def _uses(self) -> list[str]:
        """The pairings for which some training scene is complete."""
        uses = []
        for section in self.sections:
            if not section.complete or "test" in section.name.split():
                continue
            if len(section.lights) == len(ALL_LIGHTS):
                uses += ["one_to_one", "any_to_one", "any_to_any", "mirror"]
            elif len(section.lights) > 1:
                names = ", ".join(light.name for light in section.lights)
                uses.append(f"one_to_one between {names}")
            elif "target" in section.layout:
                uses.append("one_to_one" if "guide" not in section.layout else "any_to_any")
            elif section.noun == "subject" and not section.wrong:
                uses += ["portraits under any light", "mirror"]
            if section.depths:
                uses.append("depth")
        return list(dict.fromkeys(uses))


def check(root: Path, decode: bool = False) -> CheckReport:
    """Look through a data folder.

    Args:
        root: what `data.root` would be.
        decode: decode every picture too (about 20 ms each); otherwise both ends of each file are looked at,
            which finds empty and truncated files. Depth files are always read.

    Raises:
        RelightError: `root` is missing or cannot be listed.
    """
    root = Path(root)
    found = list(find_files(root))
    files = [f for f in found if f.role != SHADOW_FREE]
    sections = []
    for challenge, track in sorted({(f.challenge, f.track) for f in files}, key=str):
        chosen = [f for f in files if (f.challenge, f.track) == (challenge, track)]
        prefix = " ".join(part for part in (challenge, f"track {track}" if track else None) if part)
        sections += _sections(chosen, prefix, decode)
    if sections:
        sections += _shadow_free_sections([f for f in found if f.role == SHADOW_FREE], decode)
        return CheckReport(root, "vidit", sections)
    shards = [_shard_section(root, split) for split in SPLITS if any((root / split).glob(SHARDS))]
    if shards:
        return CheckReport(root, "shards", shards)
    subjects = find_subjects(root)
    if subjects:
        return CheckReport(root, "portraits", [_portrait_section(root, subjects, decode)])
    pairs, _ = find_pairs(root)
    for split, named in pairs.items():
        section = Section(split or "pictures", "input and target", len(named), 2)
        _look_at(section, {name: [pair.image, pair.target] for name, pair in named.items()}, decode)
        sections.append(section)
    return CheckReport(root, "folder" if sections else "", sections)


def _sections(files: Sequence[FoundFile], prefix: str, decode: bool) -> list[Section]:
    sections = []
    for split, scenes in collect(files).items():
        name = " ".join(part for part in (prefix, split or "pictures") if part)
        lit = {scene.name: scene for scene in scenes.values() if scene.lights}
        unlit = {scene.name: scene for scene in scenes.values() if not scene.lights and scene.roles}
        if lit:
            sections.append(_lit_section(name, lit, decode))
        if unlit:
            sections.append(_paired_section(name, unlit, test=split == "test", decode=decode))
    return sections


def _lit_section(name: str, scenes: dict[str, ViditScene], decode: bool) -> Section:
    lights = _expected_lights(scenes.values())
    layout = f"{len(lights)} named lights"
    section = Section(name, layout, len(scenes), len(lights), lights)
    _look_at(
        section, {key: [scene.lights.get(light) for light in lights] for key, scene in scenes.items()}, decode
    )
    _read_depths(section, scenes)
    return section


def _paired_section(name: str, scenes: dict[str, ViditScene], test: bool, decode: bool) -> Section:
    seen = {role for scene in scenes.values() for role in scene.roles}
    # Test pictures come without targets; everywhere else a picture without one is of no use.
    roles = [role for role in ("input", "guide", "target") if role in seen or (role != "guide" and not test)]
    layout = " and ".join([", ".join(roles[:-1]), roles[-1]]) if len(roles) > 1 else f"{roles[0]} only"
    section = Section(name, layout, len(scenes), len(roles))
    _look_at(
        section, {key: [scene.roles.get(role) for role in roles] for key, scene in scenes.items()}, decode
    )
    _read_depths(section, scenes)
    return section


def _shadow_free_sections(files: Sequence[FoundFile], decode: bool) -> list[Section]:
    sections = []
    for split, scenes in collect(files).items():
        section = Section(f"shadow-free {split or 'pictures'}", "one fused picture", len(scenes), 1)
        _look_at(section, {key: [scene.roles[SHADOW_FREE]] for key, scene in scenes.items()}, decode)
        sections.append(section)
    return sections


def _shard_section(root: Path, split: str) -> Section:
    """Look at the index of every shard of a split; the records' lengths find truncated files."""
    section = Section(split, "in shards", 0, 0)
    scenes: list[StoredScene] = []
    for path in sorted((root / split).glob(SHARDS)):
        try:
            scenes += stored_scenes(path)
        except RelightError as error:
            section.broken[path] = str(error)
    section.scenes = len(scenes)
    if not scenes:
        return section
    section.lights = _expected_lights(scenes)
    section.needed = len(section.lights)
    section.layout = f"{section.needed} named lights in shards"
    names = Counter(scene.name for scene in scenes)
    section.wrong += [f"{name} is stored {count} times" for name, count in names.items() if count > 1]
    for scene in scenes:
        section.pictures += len(scene.lights)
        section.kinds[f"{scene.width}x{scene.height} RGB 8 bit"] += len(scene.lights)
        lacking = len(set(section.lights) - set(scene.lights))
        if lacking:
            section.missing[scene.name] = lacking
        if scene.depth_start is not None:
            section.depths += 1
    if section.depths:
        section.no_depth = [scene.name for scene in scenes if scene.depth_start is None]
    return section


def _portrait_section(root: Path, subjects: dict[str, dict[str, Portrait]], decode: bool) -> Section:
    """Look at the relit pictures, lights and originals of all subjects, and at the lists of pairs."""
    relit = Counter(len(portraits) for portraits in subjects.values()).most_common(1)[0][0]
    section = Section("pictures", f"{relit} relit and the original", len(subjects), relit + 1, noun="subject")
    wanted: dict[str, list[Path | None]] = {}

    def note(read: Callable[..., Answer], *arguments: object) -> Answer | None:
        try:
            return read(*arguments)
        except RelightError as error:
            section.wrong.append(str(error))
            return None

    for name, portraits in subjects.items():
        lacking = [None] * max(0, relit - len(portraits))
        original = note(find_original, root, next(iter(portraits.values())))
        wanted[name] = [*(portrait.picture for portrait in portraits.values()), *lacking, original]
        for portrait in portraits.values():
            note(read_portrait_light, portrait.light)
    for path in (root / name for names in LISTS.values() for name in names):
        if path.is_file():
            note(read_pairs, path, subjects)
    _look_at(section, wanted, decode)
    return section


def _expected_lights(scenes: Iterable[ViditScene | StoredScene]) -> tuple[ViditLight, ...]:
    """The lights each scene should have: a few where most scenes agree on these few, else all forty."""
    sets = Counter(frozenset(scene.lights) for scene in scenes)
    common, count = sets.most_common(1)[0]
    if len(common) <= 8 and count > 1 and 2 * count > sum(sets.values()):
        return tuple(sorted(common, key=lambda light: light.index))
    return ALL_LIGHTS


def _look_at(section: Section, scenes: Mapping[str, Sequence[Path | None]], decode: bool) -> None:
    """Fill in pictures, kinds, missing and broken."""

    def examine(path: Path) -> Glance | str:
        try:
            glance = look(path)
            if decode:
                read_rgb(path)
            return glance
        except RelightError as error:
            return str(error)

    paths = [path for wanted in scenes.values() for path in wanted if path is not None]
    answers = dict(zip(paths, _in_threads(examine, paths), strict=True))
    for name, wanted in scenes.items():
        good = 0
        for path in wanted:
            answer = answers.get(path) if path is not None else None
            if isinstance(answer, Glance):
                good += 1
                section.kinds[f"{answer.width}x{answer.height} {answer.mode}"] += 1
            elif path is not None and answer is not None:
                section.broken[path] = answer
        section.pictures += good
        if good < len(wanted):
            section.missing[name] = len(wanted) - good


def _read_depths(section: Section, scenes: dict[str, ViditScene]) -> None:
    """Fill in depths, no_depth and broken depth files."""
    paths = [path for scene in scenes.values() for path in scene.depth.values()]
    if not paths:
        return

    def examine(path: Path) -> str | None:
        try:
            read_depth(path)
        except RelightError as error:
            return str(error)
        return None

    for path, sentence in zip(paths, _in_threads(examine, paths), strict=True):
        if sentence is None:
            section.depths += 1
        else:
            section.broken[path] = sentence
    section.no_depth = [name for name, scene in scenes.items() if "input" not in scene.depth]


def _first(sentences: Sequence[str]) -> list[str]:
    """The first sentences as lines, and how many more there are."""
    more = len(sentences) - _SHOWN
    return [f"  {sentence}" for sentence in sentences[:_SHOWN]] + ([f"  ... and {more} more"] * (more > 0))


def _in_threads(work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        return list(pool.map(work, items))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
