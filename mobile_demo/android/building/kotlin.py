"""Compiling Kotlin, and running tests of it on the JVM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from building.artifacts import class_path, jars, stdlib
from building.programs import BUILD, CORE, VECTORS, java, joined


def kotlin(out: Path, sources: Sequence[Path], libraries: Sequence[Path], *flags: str) -> Path:
    """Compile Kotlin (and look up Java) sources into a jar, unless it is newer than they are."""
    files = [
        file
        for source in sources
        for file in ([source] if source.is_file() else source.rglob("*"))
        if file.is_file()
    ]
    newest = max(file.stat().st_mtime for file in [*files, *libraries])
    if out.exists() and out.stat().st_mtime > newest:
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    java(
        "-Xmx2g",
        "-cp",
        joined(class_path("kotlin")),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        "-no-reflect",
        "-no-stdlib",
        "-jvm-target",
        "17",
        *flags,
        "-cp",
        joined(libraries),
        "-d",
        out,
        *sources,
    )
    return out


def core_jar() -> Path:
    """Return the maths, compiled."""
    return kotlin(BUILD / "core.jar", [CORE / "main"], [stdlib()], "-Werror")


def junit(
    classes: Sequence[str], libraries: Sequence[Path], *flags: str, env: dict[str, str] | None = None
) -> None:
    """Run test classes, and say what they said."""
    words = [*flags, "-cp", joined(libraries), "org.junit.runner.JUnitCore", *classes]
    print(java(*words, env=env, quiet=True)[-3000:].strip(), flush=True)


def core() -> None:
    """Test the maths against the shared numbers."""
    libraries = [core_jar(), stdlib(), *jars("junit")]
    tests = kotlin(BUILD / "core-test.jar", [CORE / "test"], libraries)
    junit(["org.relight.core.CoreTest"], [tests, *libraries], f"-Dvectors={VECTORS}")
