"""Tests of the finished APK: its bytes, what it says of itself, and its own classes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from building.artifacts import jars, stdlib
from building.kotlin import kotlin
from building.on_the_jvm import robolectric
from building.package import LEAST_SDK, PACKAGE, apk, sum_of
from building.programs import AAPT, APP, BUILD, HERE, Failed, java, joined, run, tool

ACTIVITY = "org.relight.app.MainActivity"
MOST_BYTES = 25e6


def finished() -> None:
    """Test the finished APK: its bytes, and its own classes turned back into what the JVM runs."""
    first = sum_of(apk())
    if sum_of(apk()) != first:
        raise Failed("Two builds of the same sources differ.")
    package = BUILD / "relight.apk"
    run(tool("apksigner", "apksigner"), "verify", "--min-sdk-version", LEAST_SDK, package)
    run(tool("zipalign", "zipalign"), "-c", "-p", "4", package)
    _check_badging(run(tool("aapt2", AAPT), "dump", "badging", package, quiet=True))
    _check_content(package)
    out = BUILD / "from_dex.jar"
    translator = kotlin(
        BUILD / "from_dex_tool.jar", [HERE / "native" / "FromDex.kt"], [stdlib(), *jars("dex2jar")]
    )
    with zipfile.ZipFile(package) as content:
        (BUILD / "classes.dex").write_bytes(content.read("classes.dex"))
    words = [BUILD / "classes.dex", out]
    java(
        "-cp",
        joined([translator, stdlib(), *jars("dex2jar")]),
        "FromDexKt",
        *words,
        quiet=True,
    )
    libraries = [*jars("robolectric"), *jars("junit"), *jars("android"), stdlib()]
    tests = kotlin(BUILD / "dex-test.jar", [APP / "testDex" / "kotlin"], libraries)
    robolectric(tests, [out], ["DexTest"])


def _check_badging(told: str) -> None:
    wanted = (
        f"package: name='{PACKAGE}' versionCode='1' versionName='0.1.0'",
        f"launchable-activity: name='{ACTIVITY}'",
        f"sdkVersion:'{LEAST_SDK}'",
        "targetSdkVersion:'34'",
        "uses-permission: name='android.permission.WRITE_EXTERNAL_STORAGE' maxSdkVersion='28'",
        "locales: '--_--' 'de'",
        "native-code: 'arm64-v8a' 'armeabi-v7a' 'x86_64'",
    )
    missing = [line for line in wanted if line not in told]
    if missing:
        raise Failed(f"The badging lacks {missing[0]}:\n{told}")
    others = [
        line
        for line in told.splitlines()
        if line.startswith("uses-permission:") and "WRITE_EXTERNAL" not in line
    ]
    # What reads old storage is implied by what writes it.
    others = [line for line in others if "READ_EXTERNAL" not in line]
    if others:
        raise Failed(f"The app asks for more than it should: {others}")


def _check_content(package: Path) -> None:
    if package.stat().st_size > MOST_BYTES:
        raise Failed(f"The APK has {package.stat().st_size / 1e6:.1f} MB, more than 25.")
    with zipfile.ZipFile(package) as content:
        for record in json.loads(content.read("assets/manifest.json"))["files"]:
            entry = content.getinfo(f"assets/{record['name']}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise Failed(f"{entry.filename} is compressed.")
            if hashlib.sha256(content.read(entry)).hexdigest() != record["sha256"]:
                raise Failed(f"{entry.filename} is not the network of the manifest.")
