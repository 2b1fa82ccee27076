"""The APK: resources, classes, native libraries, alignment and signature."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from building.artifacts import archive, jars, stdlib
from building.kotlin import core_jar, kotlin
from building.programs import AAPT, APP, BUILD, HERE, JDK, Failed, java, java_home, joined, run, tool

PACKAGE = "org.relight.app"
LEAST_SDK = "26"


def resources() -> Path:
    """Link manifest, resources and assets into build/base.apk, and write R.java."""
    if not (APP / "main" / "assets" / "manifest.json").is_file():
        raise Failed("The networks are not in place: run `make -C mobile_demo models` first.")
    base, compiled, generated = BUILD / "base.apk", BUILD / "resources.zip", BUILD / "generated"
    fresh = BUILD / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    # Gradle takes the package from its own file and refuses it here.
    manifest = BUILD / "AndroidManifest.xml"
    told = (APP / "main" / "AndroidManifest.xml").read_text()
    manifest.write_text(told.replace("<manifest ", f'<manifest package="{PACKAGE}" ', 1))
    run(tool("aapt2", AAPT), "compile", "--dir", APP / "main" / "res", "-o", compiled)
    run(
        tool("aapt2", AAPT),
        "link",
        "-I",
        jars("android")[0],
        "--manifest",
        manifest,
        "-A",
        APP / "main" / "assets",
        "-0",
        ".tflite",
        "--java",
        fresh,
        "--min-sdk-version",
        LEAST_SDK,
        "--target-sdk-version",
        "34",
        "--version-code",
        "1",
        "--version-name",
        "0.1.0",
        "-o",
        base,
        compiled,
    )
    # What has not changed keeps its time, so that nothing is compiled again.
    for path in fresh.rglob("*.java"):
        target = generated / path.relative_to(fresh)
        if not target.exists() or target.read_bytes() != path.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return base


def app_libraries() -> list[Path]:
    """Return what the app is compiled against."""
    return [core_jar(), stdlib(), *jars("android"), *jars("runtime")]


def app_jar() -> Path:
    """Return the app, compiled."""
    resources()
    sources = [APP / "main" / "kotlin", BUILD / "generated"]
    return kotlin(
        BUILD / "app.jar",
        sources,
        app_libraries(),
        "-Werror",
        "-Xno-param-assertions",
        "-Xno-call-assertions",
    )


def apk() -> Path:
    """Build, align and sign build/relight.apk; the same sources and key give the same bytes."""
    classes, work = app_jar(), BUILD / "apk"
    shutil.rmtree(work, ignore_errors=True)
    (work / "dex").mkdir(parents=True)
    rules = work / "runtime.pro"
    with archive("tensorflow-lite-2") as runtime:
        rules.write_bytes(runtime.read("proguard.txt") if "proguard.txt" in runtime.namelist() else b"")
        for abi in ("arm64-v8a", "armeabi-v7a", "x86_64"):
            library = work / "lib" / abi / "libtensorflowlite_jni.so"
            library.parent.mkdir(parents=True)
            library.write_bytes(runtime.read(f"jni/{abi}/libtensorflowlite_jni.so"))
    java(
        "-Xmx2g",
        "-cp",
        joined(jars("shrinker")),
        "com.android.tools.r8.R8",
        "--release",
        "--min-api",
        LEAST_SDK,
        "--lib",
        java_home(),
        "--lib",
        jars("android")[0],
        "--pg-conf",
        HERE / "app" / "proguard-rules.pro",
        "--pg-conf",
        rules,
        "--output",
        work / "dex",
        classes,
        core_jar(),
        stdlib(),
        *jars("runtime"),
        quiet=True,
    )
    unaligned, aligned, out = work / "unaligned.apk", work / "aligned.apk", BUILD / "relight.apk"
    _packed(unaligned, work)
    run(tool("zipalign", "zipalign"), "-f", "-p", "4", unaligned, aligned)
    run(
        tool("apksigner", "apksigner"),
        "sign",
        "--ks",
        _key(),
        "--ks-pass",
        "pass:relight",
        "--v1-signing-enabled",
        "false",
        "--v2-signing-enabled",
        "true",
        "--v3-signing-enabled",
        "true",
        "--out",
        out,
        aligned,
    )
    Path(f"{out}.idsig").unlink(missing_ok=True)
    print(f"{out.relative_to(HERE)}: {out.stat().st_size / 1e6:.1f} MB, sha256 {sum_of(out)}", flush=True)
    return out


def _packed(out: Path, work: Path) -> None:
    """Write the linked resources, the classes and the libraries into one archive, always alike."""
    moment = (2020, 1, 1, 0, 0, 0)
    with zipfile.ZipFile(BUILD / "base.apk") as base, zipfile.ZipFile(out, "w") as target:
        entries = [(each.filename, base.read(each), each.compress_type) for each in base.infolist()]
        entries.append(("classes.dex", (work / "dex" / "classes.dex").read_bytes(), zipfile.ZIP_DEFLATED))
        for library in sorted((work / "lib").rglob("*.so")):
            entries.append((str(library.relative_to(work)), library.read_bytes(), zipfile.ZIP_STORED))
        for name, content, kind in entries:
            told = zipfile.ZipInfo(name, moment)
            told.compress_type = kind
            told.external_attr = 0o644 << 16
            target.writestr(told, content)


def _key() -> Path:
    """Return the key that signs trial builds; it is made once and is nobody's for a store."""
    key = BUILD / "trial.p12"
    if not key.exists():
        run(
            tool("keytool", JDK),
            "-genkeypair",
            "-keystore",
            key,
            "-storetype",
            "PKCS12",
            "-storepass",
            "relight",
            "-alias",
            "app",
            "-keyalg",
            "RSA",
            "-keysize",
            "3072",
            "-validity",
            "10000",
            "-dname",
            "CN=Relight trial",
        )
    return key


def sum_of(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
