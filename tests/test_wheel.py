"""The wheel and the source distribution: what is in them, and the README's commands from an empty folder.

The wheel is installed alone into an empty environment that sees the packages of this one, but not this
checkout. Every command of the README runs as it stands, or by a row below with less work, or is only
understood, with the reason why it cannot be run here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

WEB_PARTS = ("models/manifest.json", "vendor/litert/index.js")
"""What makes the browser app whole, in its folder; both are built, not kept in git."""
LESS_WORK = {
    "relight turntable": ["--frames", "4", "--size", "64"],
    "relight contact-sheet": ["--size", "64"],
    "relight data render scenes --out data/scenes256": "--scenes 2 --validation-scenes 2 --size 64".split(),
    "relight data render scenes --out scenes": "--scenes 1 --size 32".split(),
    "relight data augment": ["--lights", "1"],
    "relight data render heads": "--heads 2 --size 32".split(),
    "relight train dmshn_smoke": "--set train.steps=2 --set data.scenes=4".split(),
    "relight export tflite": "--sizes 64 --quantisation fp32".split(),
    "relight export check": ["--truth", "0"],
    "relight export onnx": ["--size", "64"],
    "relight export savedmodel": ["--size", "64", "--no-warmup"],
}
"""How a command begins, and the words that make it short."""
UNDERSTOOD = {
    "relight weights fetch": "downloads",
    "relight weights import": "needs the authors' file",
    "relight image portrait.jpg -o relit.jpg --weights dpr512-official": "needs the authors' weights",
    "relight image portrait.jpg -o relit.jpg --light rotate_light_00.txt": "needs the authors' weights",
    "relight predict": "needs weights that do not ship",
    "relight train dmshn_vidit": "days on one GPU",
    "relight train dpr_portraits": "needs the authors' dataset",
    "relight train dpr_heads_128": "20 minutes",
    "relight train lit_unet_humans_128": "hours, on data of others",
    "relight data render humans": "needs assets of others",
    "relight evaluate --weights runs/dmshn_vidit": "needs days of training",
    "relight evaluate --weights sfsnet-humans-64-v3": "needs rendered humans",
    "relight compare": "hours",
    "relight bulk s3:": "needs a bucket and a cluster",
    "relight bulk photos/": "writes into the folder of another command",
}
"""How a command begins, and why it is parsed, and its config read, but not run."""
RUNNER = """
import contextlib, io, json, sys, time, traceback
from pathlib import Path
import tf_relight
from tf_relight.cli.main import main, make_parser
from tf_relight.config.run import load_config
from tf_relight.config.shipped import find_config

def understood(words):
    options = vars(make_parser().parse_args(words))
    if words[0] == "train":
        load_config(find_config(options["config"]), options["overrides"])
    return 0

assert "site-packages" in tf_relight.__file__, tf_relight.__file__
for given in json.load(open(sys.argv[1])):
    said, start = io.StringIO(), time.time()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = (main if given["run"] else understood)(given["words"])
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    print("ANSWER", json.dumps([given["line"], code, said.getvalue()[-800:], round(time.time() - start, 1)]))
"""


def readme_blocks() -> list[str]:
    """The blocks of code of the README."""
    return re.findall(r"^```\w*\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def readme_commands() -> list[str]:
    """The README's `relight` commands, without what stands beside them."""
    lines = (line for block in readme_blocks() for line in block.splitlines())
    return [re.split(r"\s{2,}", line)[0].strip() for line in lines if line.startswith("relight ")]


def beginning(command: str, table: dict) -> str | None:
    return next((start for start in table if command.startswith(start)), None)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The source distribution of a copy of what git knows, and the wheel that is built from it.

    The parts of the page that are built go with it where they are there.
    """
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, files):
        place = Path(os.fsdecode(name))
        if place.parts[0] in ("tests", "benchmarks", "docs", ".ci") or not (ROOT / place).is_file():
            continue
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / place, source / place)
    for part in ("models", "vendor", "example.jpg") if _page_is_whole() else ():
        place = Path("mobile_demo") / "web" / part
        (shutil.copytree if (ROOT / place).is_dir() else shutil.copyfile)(ROOT / place, source / place)
    call = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The `bin` of an empty environment with the wheel; the packages it depends on are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    call = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(scripts / "python")]
    subprocess.run([*call, "install", "-q", "--no-deps", str(built["wheel"])], check=True, timeout=120)
    packages = next(folder.rglob("site-packages"))
    # A .pth inside a folder named by a .pth is not read, so the editable install stays out of sight.
    (packages / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return scripts


def _page_is_whole() -> bool:
    return all((ROOT / "mobile_demo" / "web" / part).is_file() for part in WEB_PARTS)


def _names(built) -> list[str]:
    return zipfile.ZipFile(built["wheel"]).namelist()


@pytest.mark.long
def test_the_wheel_takes_one_name_and_holds_no_tests(built):
    tops = {name.split("/")[0] for name in _names(built)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tf_relight"}
    assert not [name for name in _names(built) if re.search(r"(^|/)(tests?|benchmarks|conftest)", name)]
    held = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
    held |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "export").rglob("*.py")}
    held |= {"examples/astronaut.jpg", "py.typed", "pretrained/lit-unet-humans-128-v1.safetensors"}
    # The page is carried whole or not at all: `make -C mobile_demo web` puts its networks and runtime there.
    page = {"web_app/index.html", "web_app/core/portrait.js", *(f"web_app/{part}" for part in WEB_PARTS)}
    carried = {name for name in _names(built) if name.startswith("tf_relight/web_app/")}
    assert {f"tf_relight/{name}" for name in page} <= carried if _page_is_whole() else not carried
    assert {f"tf_relight/{name}" for name in held} <= set(_names(built))


@pytest.mark.long
def test_the_wheel_says_what_it_is(built):
    with zipfile.ZipFile(built["wheel"]) as wheel:
        folder = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
        said = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert said["License-Expression"] == "Apache-2.0" and said["Requires-Python"] == "<3.14,>=3.11"
    assert set(said.get_all("License-File")) == {"LICENSE", "NOTICE"}
    assert {f"{folder}/licenses/LICENSE", f"{folder}/licenses/NOTICE"} <= set(_names(built))
    assert {"export", "serve", "onnx", "notebook", "video", "gpu"} <= set(said.get_all("Provides-Extra"))
    assert "Typing :: Typed" in said.get_all("Classifier")


@pytest.mark.long
def test_no_module_of_the_wheel_names_the_folders_of_the_checkout(built):
    with zipfile.ZipFile(built["wheel"]) as wheel:
        for name in (name for name in wheel.namelist() if name.endswith(".py")):
            text = wheel.read(name).decode()
            found = re.findall(r"^\s*(?:from|import) (?:export|benchmarks|tests)\b.*", text, re.MULTILINE)
            assert not found, f"{name}: {found}"


@pytest.mark.long
def test_the_source_distribution_is_whole_without_tests(built):
    # `build` makes the wheel out of the source distribution, so the tests of the wheel hold for it, too.
    with tarfile.open(built["sdist"]) as archive:
        names = archive.getnames()
    assert not [name for name in names if re.search(r"/(tests|benchmarks|docs)/", name)]
    assert {"CITATION.cff", "LICENSE", "pyproject.toml"} <= {name.partition("/")[2] for name in names}


def test_the_citation_names_this_version():
    import yaml

    import tf_relight

    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert said["version"] == tf_relight.__version__ and said["license"] == "Apache-2.0"


def test_every_row_of_the_tables_is_a_command_of_the_readme():
    commands = readme_commands()
    for start in (*LESS_WORK, *UNDERSTOOD):
        assert any(command.startswith(start) for command in commands), start


def _prepare(folder: Path, shipped: Path) -> None:
    """What the README's reader has: photos, a film, folders of pictures, and a finished quickstart."""
    with Image.open(ROOT / "examples" / "astronaut.jpg") as photo:
        portrait = photo.convert("RGB").resize((160, 160))
    with Image.open(ROOT / "examples" / "coffee.jpg") as photo:
        scene = photo.convert("RGB").resize((96, 64))
    for name, picture in {
        "portrait.jpg": portrait,
        "studio.jpg": portrait,
        "family/one.jpg": portrait,
        "faces/one.jpg": portrait,
        "photo.jpg": scene,
        "holiday/one.png": scene,
        "holiday/two.png": scene,
        "more/photo.png": scene,
        "results/a.png": scene,
        "targets/a.png": scene,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / name)
    weights = folder / "runs" / "quickstart" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(next(shipped.rglob("dmshn-scenes-256-v2.safetensors")).read_bytes())
    (folder / "keys.yaml").write_text("0: left\n1: right\n")
    import av
    import numpy as np

    with av.open(str(folder / "in.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = *portrait.size, "yuv420p"
        for _ in range(4):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(portrait), format="rgb24")))
        film.mux(stream.encode())


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_readme_works_from_an_empty_folder(installed, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    _prepare(folder, installed.parent)
    prepared = "relight data render scenes --out VIDIT --scenes 1 --validation-scenes 1 --size 32"
    given = []
    for line in [prepared, *readme_commands()]:
        if line.startswith("relight serve"):
            continue
        short, run = beginning(line, LESS_WORK), beginning(line, UNDERSTOOD) is None
        words = [*line.split()[1:], *(LESS_WORK[short] if short else [])]
        if run and line.startswith("relight image") and "--skip-existing" not in line:
            words.append("--overwrite")  # the README writes relit.jpg again and again
        given.append({"line": line, "words": words, "run": run})
    (tmp_path / "commands.json").write_text(json.dumps(given))
    environment = {**os.environ, "PYTHONPATH": "", "TF_RELIGHT_CACHE": str(tmp_path / "cache")}
    call = [str(installed / "python"), "-c", RUNNER, str(tmp_path / "commands.json")]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)
    answers = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert len(answers) == len(given), done.stdout[-2000:] + done.stderr[-4000:]
    print(*(f"{seconds:6.1f} s  {line}" for line, _, _, seconds in answers), sep="\n")
    failed = [answer for answer in answers if answer[1] != 0]
    assert not failed, "\n".join(f"{line}: {code}\n{said}" for line, code, said, _ in failed)

    program = next(block for block in readme_blocks() if block.startswith("import tf_relight"))
    shutil.rmtree(folder / "relit")
    call = [str(installed / "python"), "-c", program]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    _serve(installed, folder, environment)


def _serve(installed: Path, folder: Path, environment: dict[str, str]) -> None:
    """`relight serve models/` by its script, asked once."""
    call = [str(installed / "relight"), "serve", "models/", "--http-port", "0", "--grpc-port", "0"]
    with (folder / "server.log").open("w+") as log:
        server = subprocess.Popen(call, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            found = None
            for _ in range(600):
                text = (folder / "server.log").read_text()
                found = re.search(r"http://(\S+)", text) if "serve: ready" in text else None
                if found or server.poll() is not None:
                    break
                try:
                    server.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
            assert found, text
            with urllib.request.urlopen(f"http://{found[1]}/v1/models/dmshn", timeout=20) as answer:
                assert "AVAILABLE" in answer.read().decode()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            if server.poll() is None:
                server.kill()
