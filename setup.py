"""What pyproject.toml cannot say: the wheel carries folders of the checkout inside the package.

`export/`, `configs/` and `examples/` lie at the top of the checkout. Installed there they would take names
that belong to nobody in particular, so they go into `tf_relight/`. The modules of `export/` import one
another as `export.x`; in the wheel they say `tf_relight.export.x`.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = {"export": "export", "configs": "configs", "examples": "examples", "mobile_demo/web": "web_app"}
"""Folder of the checkout to its name inside the package; `relight app` finds its page as `web_app`."""
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "node_modules", "test", "package.json", "package-lock.json"}
PUT_TOGETHER = {"mobile_demo/web": ("models/manifest.json", "vendor/litert/index.js")}
"""Folder to files that `make -C mobile_demo web` puts there; without them a page would be of no use."""
_IMPORT = re.compile(r"^(\s*from )export(?=[.\s])", re.MULTILINE)
_OTHER_IMPORT = re.compile(r"^\s*import export\b", re.MULTILINE)


def carried_files() -> dict[Path, Path]:
    """Return the files of the carried folders, relative to the checkout, and their places in the package."""
    found = {}
    for folder, name in CARRIED.items():
        if any(not (HERE / folder / part).is_file() for part in PUT_TOGETHER.get(folder, ())):
            continue
        for path in sorted((HERE / folder).rglob("*")):
            inside = path.relative_to(HERE / folder)
            if path.is_file() and not LEFT_OUT & set(inside.parts) and path.suffix != ".pyc":
                found[path.relative_to(HERE)] = Path(name) / inside
    return found


def under_the_package(source: str, place: Path) -> str:
    """Return the text of a module of `export/` as it is imported from inside the package."""
    if _OTHER_IMPORT.search(source):
        raise SystemExit(f"{place}: write `from export.x import y`; the wheel cannot rename `import export`.")
    return _IMPORT.sub(r"\1tf_relight.export", source)


class BuildPy(build_py):
    """build_py, and the carried folders inside the package."""

    def run(self) -> None:
        """Build; an editable install needs no copies, because it runs from the checkout."""
        super().run()
        if getattr(self, "editable_mode", False):
            return
        for place, inside in carried_files().items():
            target = Path(self.build_lib) / "tf_relight" / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            if place.parts[0] == "export" and place.suffix == ".py":
                text = under_the_package((HERE / place).read_text(encoding="utf-8"), place)
                target.write_text(text, encoding="utf-8")
            else:
                target.write_bytes((HERE / place).read_bytes())

    def get_source_files(self) -> list[str]:
        """Return what a source distribution has to hold."""
        return [*super().get_source_files(), *(place.as_posix() for place in carried_files())]


setup(cmdclass={"build_py": BuildPy})
