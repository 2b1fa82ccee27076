"""What the app and its tests take from Maven Central, each file checked against artifacts.sha256."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from building.programs import BUILD, HERE, Failed, run, tool

SUMS = HERE / "artifacts.sha256"
MAVEN = Path.home() / ".m2" / "repository"

ANDROID = "14-robolectric-10818077"
GROUPS: dict[str, tuple[str, ...]] = {
    "kotlin": ("org.jetbrains.kotlin:kotlin-compiler-embeddable:2.4.21",),
    "android": (f"org.robolectric:android-all:{ANDROID}:jar:alone",),
    "runtime": (
        "org.tensorflow:tensorflow-lite:2.16.1:aar:alone",
        "org.tensorflow:tensorflow-lite-api:2.16.1:aar:alone",
    ),
    "shrinker": ("com.android.tools.build:builder:9.5.1:jar:alone",),
    "junit": ("junit:junit:4.13.2", "org.json:json:20250517"),
    "robolectric": (
        "org.robolectric:robolectric:4.16",
        "androidx.test:monitor:1.8.0:aar:alone",
        "androidx.test.espresso:espresso-idling-resource:3.7.0:aar:alone",
    ),
    "instrumented": (f"org.robolectric:android-all-instrumented:{ANDROID}-i7:jar:alone",),
    "dex2jar": ("de.femtopedia.dex2jar:dex-translator:2.4.38",),
    "ktlint": ("com.pinterest.ktlint:ktlint-cli:1.8.0",),
    "detekt": ("io.gitlab.arturbosch.detekt:detekt-cli:1.23.8",),
}
"""Class paths by name, group:artifact:version[:type[:alone]]; "alone" leaves out what they depend on."""


def class_path(group: str) -> list[Path]:
    """Return the files of a group, fetched and checked."""
    kept = BUILD / "artifacts" / f"{group}.txt"
    wanted = "\n".join(GROUPS[group])
    if kept.is_file():
        first, *paths = kept.read_text().split("\n\n")
        files = [Path(path) for path in paths[0].splitlines()]
        if first == wanted and all(path.is_file() for path in files):
            return files
    files = _resolve(group)
    _check(files)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(wanted + "\n\n" + "\n".join(map(str, files)))
    return files


def _resolve(group: str) -> list[Path]:
    folder = BUILD / "maven" / group
    folder.mkdir(parents=True, exist_ok=True)
    dependencies = []
    for told in GROUPS[group]:
        name, artifact, version, kind, alone = (
            [*told.split(":"), "jar", ""][:5] if told.count(":") < 4 else told.split(":")
        )
        without = (
            "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
            if alone
            else ""
        )
        dependencies.append(
            f"<dependency><groupId>{name}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
            f"<type>{kind}</type>{without}</dependency>"
        )
    (folder / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>org.relight</groupId><artifactId>{group}</artifactId><version>1</version>"
        f"<dependencies>{''.join(dependencies)}</dependencies></project>"
    )
    run(
        tool("mvn", "maven"),
        "-B",
        "-q",
        "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath",
        "-Dmdep.outputFile=class_path.txt",
        cwd=folder,
        quiet=True,
    )
    return [Path(path) for path in (folder / "class_path.txt").read_text().strip().split(":")]


def _check(files: Sequence[Path]) -> None:
    """Compare files with the recorded sums; RELIGHT_RECORD=1 records those that are not known yet."""
    known = (
        dict(reversed(line.split("  ", 1)) for line in SUMS.read_text().splitlines()) if SUMS.exists() else {}
    )
    for path in files:
        name = str(path.relative_to(MAVEN))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if name not in known and os.environ.get("RELIGHT_RECORD") == "1":
            known[name] = found
        if known.get(name) != found:
            raise Failed(f"{name} is not the file whose sha256 is recorded in {SUMS.name}.")
    if os.environ.get("RELIGHT_RECORD") == "1":
        SUMS.write_text("".join(f"{value}  {key}\n" for key, value in sorted(known.items())))


def jars(group: str) -> list[Path]:
    """Return the class path of a group; of Android archives the classes inside."""
    found = []
    for path in class_path(group):
        if path.suffix == ".aar":
            target = BUILD / "artifacts" / f"{path.stem}.jar"
            if not target.exists():
                with zipfile.ZipFile(path) as archive:
                    target.write_bytes(archive.read("classes.jar"))
            path = target
        found.append(path)
    return found


def archive(part: str) -> zipfile.ZipFile:
    """Return the Android archive of the runtime whose name begins so."""
    return zipfile.ZipFile(next(path for path in class_path("runtime") if path.name.startswith(part)))


def stdlib() -> Path:
    """Return Kotlin's standard library."""
    return next(path for path in class_path("kotlin") if path.name.startswith("kotlin-stdlib-2"))


def fetch() -> None:
    """Fetch everything."""
    for group in GROUPS:
        class_path(group)
