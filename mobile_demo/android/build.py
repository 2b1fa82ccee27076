"""Builds and tests the Android app from Maven Central and Debian's tools alone: no Android SDK, no Gradle.

    python3 build.py fetch        artifacts into ~/.m2, each checked against artifacts.sha256
    python3 build.py core         the maths on the JVM, against the shared numbers
    python3 build.py apk          build/relight.apk
    python3 build.py test         core, the app on the JVM, and the finished APK
    python3 build.py style        ktlint and detekt

Needs JDK 17 or later, Maven, and for the APK Debian's aapt, zipalign and apksigner; for the app's tests a C
compiler. Android Studio builds the same sources by Gradle.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from building.artifacts import fetch
from building.finished import finished
from building.kotlin import core
from building.on_the_jvm import app
from building.package import apk
from building.programs import Failed
from building.style import style, words


def test() -> None:
    """Run all tests."""
    words()
    core()
    app()
    finished()


COMMANDS: dict[str, Callable[[], object]] = {
    each.__name__: each for each in (fetch, words, core, app, apk, finished, test, style)
}


def main(words: Sequence[str]) -> int:
    """Run the named commands."""
    if not words or any(word not in COMMANDS for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for word in words:
            COMMANDS[word]()
    except Failed as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
