"""What pyproject.toml cannot say: the wheel carries folders of the checkout inside the package.

`export/`, `configs/` and `examples/` lie at the top of the checkout. Installed there they would take names
that belong to nobody in particular, so they go into `tf_relight/`. The modules of `export/` import one
another as `export.x`; in the wheel they say `tf_relight.export.x`. The browser app goes into
`tf_relight/web_app/` where `make -C mobile_demo web` has put it together.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = ("export", "configs", "examples")
APP = HERE / "mobile_demo" / "web"
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
_IMPORT = re.compile(r"^(\s*from )export(?=[.\s])", re.MULTILINE)
_OTHER_IMPORT = re.compile(r"^\s*import export\b", re.MULTILINE)


def carried_files() -> list[Path]:
    """Return the files of the carried folders, relative to the checkout."""
    found = []
    for folder in CARRIED:
        for path in sorted((HERE / folder).rglob("*")):
            place = path.relative_to(HERE)
            if path.is_file() and not LEFT_OUT & set(place.parts) and path.suffix != ".pyc":
                found.append(place)
    return found


def app_files() -> list[Path]:
    """Return the files of the browser app, relative to its folder; none where it is not put together."""
    if not all((APP / name).is_file() for name in ("models/manifest.json", "vendor/litert/index.js")):
        return []
    left_out = {"node_modules", "test", "package.json", "package-lock.json"}
    places = sorted(path.relative_to(APP) for path in APP.rglob("*") if path.is_file())
    return [place for place in places if not left_out & set(place.parts)]


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
        for place in carried_files():
            target = Path(self.build_lib) / "tf_relight" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if place.parts[0] == "export" and place.suffix == ".py":
                text = under_the_package((HERE / place).read_text(encoding="utf-8"), place)
                target.write_text(text, encoding="utf-8")
            else:
                target.write_bytes((HERE / place).read_bytes())
        for place in app_files():
            target = Path(self.build_lib) / "tf_relight" / "web_app" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((APP / place).read_bytes())

    def get_source_files(self) -> list[str]:
        """Return what a source distribution has to hold."""
        return [*super().get_source_files(), *(place.as_posix() for place in carried_files())]


setup(cmdclass={"build_py": BuildPy})
