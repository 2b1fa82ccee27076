"""Tiny VIDIT folders for the data tests: every picture tells its scene and light by its colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tf_relight.data.options import DataConfig
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight

SIZE = 16


class ViditFolders:
    """Writes the layouts of VIDIT below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @staticmethod
    def picture(scene: int, light: ViditLight | None = None, size: int = SIZE) -> np.ndarray:
        """RGB whose left-right ramp is not symmetric; green is the scene, blue the light."""
        number = light.index if light else 50
        ramp = np.tile(np.linspace(0, 255, size).astype(np.uint8), (size, 1))
        return np.dstack([ramp, np.full_like(ramp, scene % 256), np.full_like(ramp, number)])

    def write(self, name: str, picture: np.ndarray) -> Path:
        """Write one RGB or RGBA picture below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        assert cv2.imwrite(str(path), cv2.cvtColor(picture, order))
        return path

    def flat(self, folder: str, scenes: range, depth: bool = False, rgba: bool = False) -> None:
        """40 pictures a scene, such as `train/Image000_6500_N.png`, and the depth of NTIRE 2021."""
        for scene in scenes:
            for light in ALL_LIGHTS:
                picture = self.picture(scene, light)
                if rgba:
                    picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
                self.write(f"{folder}/Image{scene:03d}_{light.temperature}_{light.direction}.png", picture)
            if depth:
                values = self.picture(scene)[..., 0].astype(np.float32) / 255
                content = np.array({"normalized_depth": values}, dtype=object)
                np.save(self.root / folder / f"Image{scene:03d}.npy", content, allow_pickle=True)

    def pairs(self, first: str, second: str, scenes: range, prefix: str = "Image") -> None:
        """One name in two folders: the scene under N_6500 and under E_4500."""
        for scene in scenes:
            for folder, light in ((first, "N_6500"), (second, "E_4500")):
                picture = self.picture(scene, ViditLight.parse(light))
                self.write(f"{folder}/{prefix}{scene:03d}.png", picture)

    def config(self, **values: object) -> DataConfig:
        """The data section of a run on this folder."""
        return DataConfig(**{"root": self.root, "size": SIZE, "validation_scenes": 1, **values})


@pytest.fixture
def vidit(tmp_path: Path) -> ViditFolders:
    """An empty root to write layouts in."""
    return ViditFolders(tmp_path / "set")


@pytest.fixture
def truncate() -> Callable[[Path], None]:
    """Cut a file in half."""

    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])

    return cut
