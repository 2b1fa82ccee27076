"""Which room may import from which, what the package offers, and that quick commands stay quick.

A room is a folder of the package; the files that lie beside the rooms are the ground and the entries. Imports
inside functions count like all others.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import tf_relight

ROOT = Path(tf_relight.__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("tf_relight", "export", "benchmarks")
    for path in sorted((ROOT / top).rglob("*.py"))
}
FLOORS: list[set[str]] = [
    {"ground"},
    {"guarded"},
    {"contract"},
    {"photo", "weights", "rounding"},
    {"light"},
    {"networks"},
    {"methods", "rendering"},
    {"data", "relighting"},
    {"config", "scoring", "films"},
    {"training", "showing", "pipelines"},
    {"comparing", "helping", "wide"},
    {"cli"},
    {"entry"},
    {"export"},
    {"export.litert"},
    {"export.int8"},
    {"export.tflite", "export.photo_graph", "export.onnx_file"},
    {"export.saved_model"},
    {"export.proof", "export.serving"},
    {"export.commands"},
    {"benchmarks"},
]
"""Rooms by floor: each may import from its own room and from lower floors, not from its neighbours."""
GROUND = {"carried", "errors", "files", "litert", "progress", "quiet", "terminal"}
ALSO = {("tf_relight.cli.main", "tf_relight"), ("export.__main__", "export.commands")}
"""The version that `relight --version` prints; the entry of `python -m export`."""

KERAS_TOP = {"networks", "pipelines", "training"}
"""Rooms that may import Keras at the top of their modules; of methods only `networks.py` and `losses.py`."""
KERAS_INSIDE = {*KERAS_TOP, "methods", "relighting", "scoring", "entry", "rounding", "export"}
TENSORFLOW = {"data", "training", "networks", "rendering"}
"""The only rooms of the package that may import TensorFlow; all but training only inside functions."""


class Import(NamedTuple):
    """One imported module; `inside` a function or not."""

    name: str
    inside: bool


def _statements(node: ast.AST, inside: bool = False):
    """The import statements below a node, except those for the type checker."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _statements(child, inside or function)


@cache
def imports(module: str) -> list[Import]:
    """All imports of a module; `from package import submodule` counts as the submodule."""
    found = []
    for statement, inside in _statements(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            found += [Import(alias.name, inside) for alias in statement.names]
            continue
        assert statement.level == 0 and statement.module, f"{module} uses a relative import"
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            found.append(Import(inner if inner in MODULES else statement.module, inside))
    return found


def room(module: str) -> str:
    """The room that a module of the checkout stands in."""
    top, *inner = module.split(".")
    if top == "benchmarks" or (top == "export" and not inner):
        return top
    folder = bool(inner) and (ROOT / top / inner[0]).is_dir()
    if top == "export":
        return f"export.{inner[0]}" if folder else "export"
    if folder:
        return inner[0]
    return "ground" if inner and inner[0] in GROUND else "entry"


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_room_has_a_floor_and_every_floor_is_lived_in():
    assert {room(module) for module in MODULES} == set().union(*FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_rooms_import_from_lower_floors_only(module):
    for name, _ in imports(module):
        if name in MODULES and room(name) != room(module) and (module, name) not in ALSO:
            assert floor(name) < floor(module), f"{module} ({room(module)}) must not import {name}"


def test_families_of_methods_do_not_know_each_other():
    for module in MODULES:
        if not module.startswith("tf_relight.methods.") or module.count(".") < 3:
            continue
        family = module.split(".")[2]
        for name, _ in imports(module):
            if name.startswith("tf_relight.methods."):
                assert name.split(".")[2] == family, f"{module} must not import {name}"


def test_no_circles():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        for name, _ in imports(module):
            if name in MODULES and name != module:
                visit(name, (*path, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("tf_relight")])
def test_keras_and_tensorflow_stay_in_their_places(module):
    here, last = room(module), module.rpartition(".")[2]
    for name, inside in imports(module):
        top = name.split(".")[0]
        if top == "keras":
            at_top = here in KERAS_TOP or (here == "methods" and last in ("networks", "losses"))
            at_top = at_top or (here, last) in {("rounding", "quantization"), ("scoring", "metrics")}
            assert at_top or (inside and here in KERAS_INSIDE), f"{module} imports keras"
            assert not name.startswith("keras.src"), "private"
        if top == "tensorflow":
            assert here in TENSORFLOW, f"{module} imports tensorflow"
            assert inside or here == "training", f"{module} imports tensorflow at its top"


def test_public_names():
    assert tf_relight.__all__ == [
        "Light",
        "LightDistribution",
        "RandomRelight",
        "RelightError",
        "__version__",
        "list_models",
        "load",
        "load_model",
        "methods",
        "relight",
    ]
    assert set(tf_relight.__all__) <= set(dir(tf_relight))
    for name in tf_relight.__all__:
        assert getattr(tf_relight, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tf_relight.nonsense


QUICK = """
import contextlib, io, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in ("tensorflow", "keras"), name + " was imported"
sys.meta_path.insert(0, Refuse())
import tf_relight
from tf_relight.cli.main import main
from tf_relight.cli.commands import COMMANDS
def run(code, *arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            got = main(arguments)
        except SystemExit as end:
            got = end.code
    assert got == code, (arguments, got, err.getvalue())
    return out.getvalue() + err.getvalue()
assert "example:" in run(0, "--help")
for module in COMMANDS:
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    assert "example:" in run(0, name, "--help")
assert "dmshn" in run(0, "methods")
assert "lpips" in run(0, "weights")
assert "train.stps" in run(2, "train", sys.argv[1], "--set", "train.stps=3")
run(2, "data", "check", sys.argv[2])
assert tf_relight.methods.names() and tf_relight.load_model and tf_relight.list_models()
assert tf_relight.LightDistribution and tf_relight.relight
print("fine")
"""


def test_quick_commands_import_neither_tensorflow_nor_keras(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("method: dmshn\ntrain: {steps: 1}\n")
    call = [sys.executable, "-c", QUICK, str(config), str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "fine\n", done.stderr
