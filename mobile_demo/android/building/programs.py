"""Programs of this system, and the folders of the app."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
BUILD = HERE / "build"
CORE, APP = HERE / "core" / "src", HERE / "app" / "src"
VECTORS = HERE.parent / "vectors"
JDK, AAPT = "openjdk-17-jdk-headless", "aapt"


class Failed(Exception):
    """What went wrong, in a sentence."""


def run(
    *words: object, cwd: Path | None = None, env: dict[str, str] | None = None, quiet: bool = False
) -> str:
    """Run a program and return what it printed; its output is shown when it fails."""
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "TZ": "UTC", **(env or {})}, capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"{Path(command[0]).name} failed:\n{_short(done.stdout)}{_short(done.stderr)}")
    if not quiet and done.stdout.strip():
        print(done.stdout.strip(), flush=True)
    return done.stdout + done.stderr


def _short(text: str) -> str:
    """Return what a program printed, without the stack below our own code."""
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("\tat ", "\tSuppressed")) or "at org.relight" in line
    ]
    return "\n".join(lines)[-16000:] + "\n"


def tool(name: str, package: str) -> str:
    """Return the path of a program; raises Failed with the Debian package that has it."""
    found = shutil.which(name)
    if found is None:
        raise Failed(f"The program {name} is missing: install Debian's package {package}.")
    return found


def java_home() -> Path:
    """Return the folder of the JDK."""
    return Path(tool("java", JDK)).resolve().parents[1]


def java(*words: object, **how: object) -> str:
    """Run the JVM with these words; see `run`."""
    return run(tool("java", JDK), *words, **how)  # type: ignore[arg-type]


def joined(paths: Iterable[Path]) -> str:
    """Return a class path."""
    return ":".join(map(str, paths))
