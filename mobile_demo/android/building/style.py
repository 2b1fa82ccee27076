"""Kotlin's style by ktlint and detekt, and the words of both languages."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from building.artifacts import jars
from building.programs import APP, CORE, HERE, Failed, java, joined


def words() -> None:
    """Check that every string is told in both languages, with the same places for numbers."""
    told = {}
    for folder in ("values", "values-de"):
        root = ElementTree.parse(APP / "main" / "res" / folder / "strings.xml").getroot()
        told[folder] = {
            each.get("name"): [item.text or "" for item in each] or [each.text or ""] for each in root
        }
    english, german = told["values"], told["values-de"]
    if english.keys() != german.keys():
        raise Failed(f"Not told in both languages: {sorted(english.keys() ^ german.keys())}")
    for name, texts in english.items():
        places = [sorted(re.findall(r"%\d\$\w", text)) for text in texts]
        if places != [sorted(re.findall(r"%\d\$\w", text)) for text in german[name]]:
            raise Failed(f"The string {name} has other places or another count in German.")
    print(f"words: {len(english)} strings in English and German", flush=True)


def style() -> None:
    """Run ktlint and detekt."""
    sources = [HERE / "core", HERE / "app" / "src", HERE / "native"]
    patterns = [f"{each}/**/*.kt" for each in sources]
    java("-cp", joined(jars("ktlint")), "com.pinterest.ktlint.Main", "--relative", *patterns, cwd=HERE)
    main_sources = ",".join(str(each) for each in (CORE / "main", APP / "main" / "kotlin"))
    java(
        "-cp",
        joined(jars("detekt")),
        "io.gitlab.arturbosch.detekt.cli.Main",
        "--input",
        main_sources,
        "--config",
        HERE / "detekt.yml",
        "--build-upon-default-config",
    )
    print("style: ktlint and detekt are content", flush=True)
