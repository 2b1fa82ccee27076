"""The app on the JVM: Android's own framework classes, and the runtime's own native code."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from building.artifacts import archive, jars, stdlib
from building.kotlin import core_jar, junit, kotlin
from building.package import PACKAGE, app_jar
from building.programs import APP, BUILD, HERE, VECTORS, run, tool

OLDER = HERE.parents[1] / "export" / "litert" / "older"
"""What makes the runtime's own library load here; `relight export check` takes it too."""
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
    """Return a folder with the runtime's own x86_64 library in a form that this system loads."""
    out = BUILD / "native"
    if not (out / "libtensorflowlite_jni.so").exists():
        tool("gcc", "gcc")
        android = BUILD / "android_library.so"
        with archive("tensorflow-lite-2") as runtime:
            android.write_bytes(runtime.read("jni/x86_64/libtensorflowlite_jni.so"))
        run(sys.executable, OLDER / "make_library.py", android, out, quiet=True)
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
