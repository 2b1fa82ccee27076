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

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
SUMS = HERE / "artifacts.sha256"
MAVEN = Path.home() / ".m2" / "repository"
CORE, APP = HERE / "core" / "src", HERE / "app" / "src"
VECTORS = HERE.parent / "vectors"

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
PACKAGE, ACTIVITY = "org.relight.app", "org.relight.app.MainActivity"
LEAST_SDK = "26"


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
    return Path(tool("java", "openjdk-17-jdk-headless")).resolve().parents[1]


# -- Artifacts ---------------------------------------------------------------------------------------------


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


# -- Kotlin ------------------------------------------------------------------------------------------------


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
    run(
        tool("java", "openjdk-17-jdk-headless"),
        "-Xmx2g",
        "-cp",
        _joined(class_path("kotlin")),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        "-no-reflect",
        "-no-stdlib",
        "-jvm-target",
        "17",
        *flags,
        "-cp",
        _joined(libraries),
        "-d",
        out,
        *sources,
    )
    return out


def _joined(paths: Sequence[Path]) -> str:
    return ":".join(map(str, paths))


def core_jar() -> Path:
    """Return the maths, compiled."""
    return kotlin(BUILD / "core.jar", [CORE / "main"], [stdlib()], "-Werror")


def junit(
    classes: Sequence[str], libraries: Sequence[Path], *flags: str, env: dict[str, str] | None = None
) -> None:
    """Run test classes, and say what they said."""
    words = [
        tool("java", "openjdk-17-jdk-headless"),
        *flags,
        "-cp",
        _joined(libraries),
        "org.junit.runner.JUnitCore",
    ]
    print(run(*words, *classes, env=env, quiet=True)[-3000:].strip(), flush=True)


def core() -> None:
    """Test the maths against the shared numbers."""
    libraries = [core_jar(), stdlib(), *jars("junit")]
    tests = kotlin(BUILD / "core-test.jar", [CORE / "test"], libraries)
    junit(["org.relight.core.CoreTest"], [tests, *libraries], f"-Dvectors={VECTORS}")


# -- The app -----------------------------------------------------------------------------------------------


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
    run(tool("aapt2", "aapt"), "compile", "--dir", APP / "main" / "res", "-o", compiled)
    run(
        tool("aapt2", "aapt"),
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
    run(
        tool("java", "openjdk-17-jdk-headless"),
        "-Xmx2g",
        "-cp",
        _joined(jars("shrinker")),
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
    print(f"{out.relative_to(HERE)}: {out.stat().st_size / 1e6:.1f} MB, sha256 {_sum(out)}", flush=True)
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
            tool("keytool", "openjdk-17-jdk-headless"),
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


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- Its tests ---------------------------------------------------------------------------------------------

OPENED = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in (
        "java.lang",
        "java.util",
        "java.lang.reflect",
        "java.io",
        "java.net",
        "java.security",
        "java.text",
        "jdk.internal.access",
    )
]


def native() -> Path:
    """Return a folder with the runtime's own x86_64 library in a form that this system loads; see native/."""
    out = BUILD / "native"
    library = out / "libtensorflowlite_jni.so"
    if not library.exists():
        out.mkdir(parents=True, exist_ok=True)
        compiler = tool("gcc", "gcc")
        source = HERE / "native" / "bionic.c"
        run(
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            "-Wl,-soname,libc.so",
            "-o",
            out / "libc.so",
            source,
            "-l:libc.so.6",
        )
        for name in ("m", "dl", "log"):
            run(
                compiler,
                "-shared",
                "-fPIC",
                "-x",
                "c",
                "/dev/null",
                f"-Wl,-soname,lib{name}.so",
                "-Wl,--no-as-needed",
                "-o",
                out / f"lib{name}.so",
                "-l:libm.so.6",
                "-l:libc.so.6",
            )
        android = BUILD / "android_library.so"
        with archive("tensorflow-lite-2") as runtime:
            android.write_bytes(runtime.read("jni/x86_64/libtensorflowlite_jni.so"))
        run(sys.executable, HERE / "native" / "port.py", android, library, quiet=True)
    return out


def robolectric(tests: Path, classes: Sequence[Path], names: Sequence[str]) -> None:
    """Run tests of the app on the JVM, with the framework's own classes and the runtime's own library."""
    conf = BUILD / "conf" / "com" / "android" / "tools"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "test_config.properties").write_text(
        f"android_merged_manifest={BUILD}/AndroidManifest.xml\nandroid_merged_assets={APP}/main/assets\n"
        f"android_resource_apk={BUILD}/base.apk\nandroid_custom_package={PACKAGE}\n"
    )
    offline = BUILD / "instrumented"
    offline.mkdir(exist_ok=True)
    for path in jars("instrumented"):
        if not (offline / path.name).exists():
            shutil.copy(path, offline)
    screens = HERE.parent / "build" / "screens" / "android"
    screens.mkdir(parents=True, exist_ok=True)
    libraries = [
        BUILD / "conf",
        tests,
        *classes,
        stdlib(),
        *jars("robolectric"),
        *jars("junit"),
        *jars("android"),
    ]
    junit(
        names,
        libraries,
        "-Xmx3g",
        f"-Djava.library.path={native()}",
        "-Drobolectric.offline=true",
        f"-Drobolectric.dependency.dir={offline}",
        f"-Dscreens={screens}",
        f"-Dvectors={VECTORS}",
        f"-Dexample={HERE.parents[1]}/examples/astronaut.jpg",
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:-BytecodeVerificationRemote",
        *OPENED,
        env={"LD_LIBRARY_PATH": str(native())},
    )


def app() -> None:
    """Test the app on the JVM."""
    classes = [app_jar(), core_jar(), *jars("runtime")]
    libraries = [*classes, stdlib(), *jars("robolectric"), *jars("junit"), *jars("android")]
    tests = kotlin(
        BUILD / "app-test.jar",
        [APP / "test" / "kotlin", BUILD / "generated"],
        libraries,
        "-Xfriend-paths=" + str(classes[0]),
    )
    robolectric(
        tests,
        classes,
        ["org.relight.app.LifeTest", "org.relight.app.RelightTest", "org.relight.app.ScreenTest"],
    )


def finished() -> None:
    """Test the finished APK: its bytes, and its own classes turned back into what the JVM runs."""
    first = _sum(apk())
    if _sum(apk()) != first:
        raise Failed("Two builds of the same sources differ.")
    package = BUILD / "relight.apk"
    run(tool("apksigner", "apksigner"), "verify", "--min-sdk-version", LEAST_SDK, package)
    run(tool("zipalign", "zipalign"), "-c", "-p", "4", package)
    _check_badging(run(tool("aapt2", "aapt"), "dump", "badging", package, quiet=True))
    _check_content(package)
    out = BUILD / "from_dex.jar"
    translator = kotlin(
        BUILD / "from_dex_tool.jar", [HERE / "native" / "FromDex.kt"], [stdlib(), *jars("dex2jar")]
    )
    with zipfile.ZipFile(package) as content:
        (BUILD / "classes.dex").write_bytes(content.read("classes.dex"))
    words = [BUILD / "classes.dex", out]
    run(
        tool("java", "openjdk-17-jdk-headless"),
        "-cp",
        _joined([translator, stdlib(), *jars("dex2jar")]),
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
    if package.stat().st_size > 25e6:
        raise Failed(f"The APK has {package.stat().st_size / 1e6:.1f} MB, more than 25.")
    with zipfile.ZipFile(package) as content:
        for record in json.loads(content.read("assets/manifest.json"))["files"]:
            entry = content.getinfo(f"assets/{record['name']}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise Failed(f"{entry.filename} is compressed.")
            if hashlib.sha256(content.read(entry)).hexdigest() != record["sha256"]:
                raise Failed(f"{entry.filename} is not the network of the manifest.")


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
    java = tool("java", "openjdk-17-jdk-headless")
    sources = [HERE / "core", HERE / "app" / "src", HERE / "native"]
    patterns = [f"{each}/**/*.kt" for each in sources]
    run(java, "-cp", _joined(jars("ktlint")), "com.pinterest.ktlint.Main", "--relative", *patterns, cwd=HERE)
    main_sources = ",".join(str(each) for each in (CORE / "main", APP / "main" / "kotlin"))
    run(
        java,
        "-cp",
        _joined(jars("detekt")),
        "io.gitlab.arturbosch.detekt.cli.Main",
        "--input",
        main_sources,
        "--config",
        HERE / "detekt.yml",
        "--build-upon-default-config",
    )
    print("style: ktlint and detekt are content", flush=True)


def test() -> None:
    """Run all tests."""
    words()
    core()
    app()
    finished()


def fetch() -> None:
    """Fetch everything."""
    for group in GROUPS:
        class_path(group)


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
