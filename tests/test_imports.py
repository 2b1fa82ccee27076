"""Which module may import which, what the package offers, and that quick commands stay quick."""

from __future__ import annotations

import ast
import fnmatch
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
    for path in sorted((ROOT / "tf_relight").rglob("*.py"))
}
BASE = ["errors", "files", "colour", "icc", "picture", "image", "transfer", "torch_file", "torch_pickle"]
LIGHT = ["spherical_harmonics", "directions", "lamps", "light_files", "light_presets", "light"]
BASE += [*LIGHT, "running", "ranges"]
NETWORK = ["layers", "quantization", "equalisation", "calibration", "losses", "metrics", "perceptual"]

ALLOWED: dict[str, list[str]] = {
    "errors": [],
    **{name: BASE for name in BASE if name != "errors"},
    "light": [*BASE, "data.lights"],
    "config": ["errors", "config_file", "methods", "methods.contract", "data", "data.lights"],
    "config_file": ["errors"],
    "weights_record": BASE,
    **{name: [*BASE, *NETWORK, "weights_record"] for name in NETWORK},
    "discriminators": [*BASE, *NETWORK, "methods.contract"],
    "methods": ["errors", "methods.contract"],
    "methods.contract": ["errors"],
    "methods.relight_model": [*BASE, *NETWORK, "methods.contract", "discriminators"],
    "data": [*BASE, "config", "data", "data.*"],
    "data.*": [*BASE, "config", "data", "data.*"],
    "training": [],
    "training.*": [*BASE, "config", "losses", "metrics", "methods.contract", "methods.relight_model"]
    + ["data.pipeline", "data.source", "training.*"],
    "score_table": [*BASE, "metrics"],
    "report": [*BASE, "metrics", "score_table", "drawing"],
    "weights": [*BASE, "methods", "weights_record"],
    "baselines": [*BASE, "data", "data.source"],
    "cli": ["", "errors", "quiet", "parser", "commands"],
    "parser": ["errors"],
    "quiet": [],
    "__main__": ["cli"],
}
"""Module pattern to the modules it may import, in functions too; others: all but the command line."""
SHARED_BASELINE = "methods.baselines.fixed_light"

KERAS = [
    "layers",
    "quantization",
    "losses",
    "metrics",
    "perceptual",
    "discriminators",
    "methods.*.networks",
    "methods.baselines.fixed_light",
    "methods.baselines.retinexnet.losses",
    "methods.relight_model",
    "training.*",
]
"""Modules that may import Keras at their top."""
KERAS_INSIDE = [*KERAS, "train", "weights", "official_weights", "quickstart", "spherical_harmonics"]
"""Modules that may import Keras at least inside functions."""
TENSORFLOW = ["data.*", "training.*", "methods.relight_model"]
"""The only modules that may import TensorFlow; those of data only inside functions."""


class Import(NamedTuple):
    """One imported name, without the package's own prefix; `inside` a function or not."""

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
    """All imports of a module of the package; `from package import submodule` counts as the submodule."""
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


def short(module: str) -> str:
    return module.removeprefix("tf_relight").removeprefix(".")


def matches(module: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(short(module), pattern) for pattern in patterns)


def rule_of(module: str) -> list[str] | None:
    """The modules that `module` may import, or None when all but the command line are allowed."""
    name = short(module)
    if name in ALLOWED:
        return ALLOWED[name]
    parts = name.split(".")
    if parts[0] == "methods":
        common = [*BASE, *NETWORK, "methods.contract", "methods.relight_model", SHARED_BASELINE]
        family = parts[:3] if parts[1] == "baselines" else parts[:2]
        return [*common, ".".join(family) + "*"]
    return next((ALLOWED[pattern] for pattern in ALLOWED if fnmatch.fnmatchcase(name, pattern)), None)


@pytest.mark.parametrize("module", MODULES)
def test_import_directions(module):
    own = [each.name for each in imports(module) if each.name.split(".")[0] == "tf_relight"]
    rule = rule_of(module)
    for name in own:
        if rule is not None:
            assert matches(name, rule), f"{module} must not import {name}"
        elif name in ("tf_relight.cli.main", "tf_relight.cli.parser") or short(name).startswith("commands"):
            if short(module).startswith("commands") and name != "tf_relight.cli.main":
                continue
            assert short(module) == "train" and name == "tf_relight.cli.main", (
                f"{module} must not import {name}"
            )


@pytest.mark.parametrize("module", MODULES)
def test_keras_and_tensorflow_stay_in_their_places(module):
    for name, inside in imports(module):
        top = name.split(".")[0]
        if top == "keras":
            assert matches(module, KERAS_INSIDE if inside else KERAS), f"{module} imports keras"
            assert not name.startswith("keras.src"), "private"
        if top == "tensorflow":
            assert matches(module, TENSORFLOW), f"{module} imports tensorflow"
            assert inside or short(module).startswith("training."), f"{module} imports tensorflow at its top"


def test_no_circles():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        for name, inside in imports(module):
            if name in MODULES and not inside and name != module:
                visit(name, (*path, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


def test_public_names():
    assert tf_relight.__all__ == ["Light", "RelightError", "__version__", "load_model", "methods", "relight"]
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
from tf_relight.cli import main
from tf_relight.commands import COMMANDS
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
assert tf_relight.methods.names() and tf_relight.load_model
print("fine")
"""


def test_quick_commands_import_neither_tensorflow_nor_keras(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("method: dmshn\ntrain: {steps: 1}\n")
    call = [sys.executable, "-c", QUICK, str(config), str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "fine\n", done.stderr
