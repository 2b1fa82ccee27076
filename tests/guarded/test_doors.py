"""Every reader of a stranger's text or file, and every print, goes through one guarded door.

The test walks over the product's code. A new `json.loads`, `print`, `np.load` or reader of a library
elsewhere fails it: read through `tf_relight.guarded`, print through `tf_relight.terminal`, write through
`tf_relight.files`; or, for a reader of another library, make its module the door and name it here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tf_relight

ROOT = Path(tf_relight.__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("tf_relight", "export")
    for path in sorted((ROOT / top).rglob("*.py"))
}
ARRAYS, READING = "tf_relight.guarded.arrays", "tf_relight.guarded.reading"
STRUCTURED, YAML = "tf_relight.guarded.structured", "tf_relight.guarded.yaml_text"
PHOTO, PICTURES = "tf_relight.photo.", "tf_relight.data.pictures"
"""A name that ends in a dot stands for the whole room."""

DOORS: dict[str, set[str]] = {
    # what only a guarded reader may call
    "json.load": set(),
    "json.loads": {STRUCTURED},
    "json.JSONDecoder": set(),
    "csv.reader": set(),
    "csv.DictReader": {STRUCTURED},
    "yaml.load": set(),
    "yaml.load_all": set(),
    "yaml.full_load": set(),
    "yaml.unsafe_load": set(),
    "yaml.safe_load": set(),
    "yaml.safe_load_all": set(),
    "yaml.compose": set(),
    "yaml.Loader": set(),
    "yaml.SafeLoader": {YAML},
    "yaml.CSafeLoader": set(),
    "tomllib.load": set(),
    "tomllib.loads": set(),
    "xml.etree": set(),
    "numpy.load": set(),
    "numpy.loadtxt": set(),
    "numpy.genfromtxt": set(),
    "numpy.fromregex": set(),
    "numpy.memmap": {ARRAYS},
    "numpy.lib.format.read_magic": set(),
    "numpy.lib.format.read_array": set(),
    "numpy.lib.format.read_array_header_1_0": {ARRAYS},
    "numpy.lib.format.read_array_header_2_0": {ARRAYS},
    "numpy.lib.format.open_memmap": {"tf_relight.data.cache"},  # files that it has just made or checked
    "zipfile.ZipFile": {
        ARRAYS,
        "tf_relight.weights.torch_file",
        "export.litert.older.runtime",
    },  # by its sha256
    "tarfile.open": set(),
    "gzip.open": set(),
    "gzip.GzipFile": {"tf_relight.guarded.reading"},
    "pickle.load": set(),
    "pickle.loads": set(),
    "pickle.Unpickler": set(),
    "pickletools.genops": {"tf_relight.guarded.pickles"},
    "marshal.loads": set(),
    "shelve.open": set(),
    "torch.load": set(),
    "joblib.load": set(),
    "eval": set(),
    "exec": set(),
    # readers of other libraries: each has a module of its own that turns what it raises into a sentence
    "safetensors.safe_open": {"tf_relight.weights.file"},
    "safetensors.numpy.load": set(),
    "safetensors.numpy.load_file": set(),
    "numpy.fromfile": {PHOTO, "tf_relight.light.files", "tf_relight.rendering.tfrecord"},
    "PIL.Image.open": {PHOTO, PICTURES, "tf_relight.data.vidit.exposure_fusion"},
    "PIL.ImageCms.ImageCmsProfile": {PHOTO},
    "tifffile.TiffFile": {PHOTO, PICTURES},
    "tifffile.imread": {PHOTO, PICTURES},
    "pillow_heif.open_heif": {PHOTO},
    "cv2.imread": set(),
    "cv2.VideoCapture": set(),
    "cv2.imdecode": {
        PHOTO,
        PICTURES,
        "tf_relight.light.",
        "export.serving.load_test",
        "tf_relight.data.human_pairs",  # a JPEG that it has just made
        "tf_relight.rendering.humans.textures",
    },
    "av.open": {"tf_relight.films."},
    "OpenEXR.File": {"tf_relight.light."},
    "OpenEXR.InputFile": set(),
    "tensorflow.io.read_file": set(),
    "tensorflow.data.TFRecordDataset": {"export.saved_model.warmup"},
    "tensorflow.saved_model.load": {"export.serving.model", "export.proof.bench_sides"},
    ".FromString": {"export.serving.model", "export.serving.grpc_server", "export.saved_model.warmup"},
    ".ParseFromString": {"tf_relight.weights.caffe_file"},
    ".GetRootAsModel": {"export.litert.inspection", "export.litert.graph_tools"},
    # whole files without a limit
    ".read_text": {
        "tf_relight.showing.before_after",  # its own template
        "tf_relight.cli.commands.configs",  # configs that ship
        "tf_relight.helping.doctor",  # /proc
        "tf_relight.training.precision",  # /proc
        "tf_relight.data.cache",  # /proc
        "export.timing",  # /proc
        "export.proof.isolated",  # /proc, and the log of its own child
        "export.serving.load_test",  # /proc
    },
    # files that were just written
    ".read_bytes": {
        PHOTO,
        PICTURES,
        "tf_relight.cli.commands.weights",
        "tf_relight.wide.photo_worker",
        "export.litert.older.",
    },
    # what a user reads
    "print": {"tf_relight.terminal", "tf_relight.progress"},
    "rich.console.Console": {"tf_relight.terminal"},
    "rich.print": set(),
    "rich.progress.Progress": {"tf_relight.progress"},
    "rich.progress.track": set(),
    "sys.stdout.write": set(),
    "sys.stderr.write": set(),
    "warnings.warn": set(),
    # text of others in files
    ".write_text": {"export.saved_model.write", "tf_relight.weights.prepared"},  # JSON, which is ASCII
}


def names(source: str) -> Iterator[tuple[str, int]]:
    """Every name that is used in a module, in full, with its line; methods begin with a dot."""
    tree = ast.parse(source)
    full: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            full |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    annotations = {
        id(part)
        for node in ast.walk(tree)
        for given in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if given is not None
        for part in ast.walk(given)
    }
    for node in ast.walk(tree):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.Name) and node.id not in own:
            yield full.get(node.id, node.id), node.lineno
        elif isinstance(node, ast.Attribute):
            yield f".{node.attr}", node.lineno
            parts, inner = [node.attr], node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name):
                yield ".".join([full.get(inner.id, inner.id), *reversed(parts)]), node.lineno


def may(module: str, doors: set[str]) -> bool:
    return any(module.startswith(door) if door.endswith(".") else module == door for door in doors)


def strangers(module: str, source: str) -> list[str]:
    """A sentence for each reader or print that is not behind its door."""
    return [
        f"{module}, line {line}: {name}"
        for name, line in names(source)
        if name in DOORS and not may(module, DOORS[name])
    ]


@pytest.mark.parametrize("module", MODULES)
def test_every_reader_and_every_print_stands_behind_a_door(module):
    assert strangers(module, MODULES[module].read_text(encoding="utf-8")) == []


def test_every_door_is_used():
    used = {
        (name, module)
        for module, path in MODULES.items()
        for name, _ in names(path.read_text(encoding="utf-8"))
        if name in DOORS
    }
    for name, doors in DOORS.items():
        for door in doors:
            if not door.endswith(".") and door != PICTURES:
                assert (name, door) in used, f"{door} no longer uses {name}: take it off the list"


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.loads(text)",
        "import json as j\nread = j.loads",
        "from json import loads\nloads(text)",
        "import numpy as np\nnp.load(path)",
        "from numpy import load as open_it\nopen_it(path)",
        "def f():\n    import pickle\n    return pickle.Unpickler(file).load()",
        "import yaml\nclass Mine(yaml.SafeLoader):\n    pass",
        "import yaml\nyaml.load(text, yaml.CSafeLoader)",
        "print(name)",
        "from rich.console import Console\nConsole().print(name)",
        "import sys\nsys.stderr.write(name)",
        "from pathlib import Path\nPath(name).read_text()",
        "from PIL import Image\nImage.open(path)",
        "from safetensors import safe_open\nsafe_open(path, framework='np')",
        "import tensorflow as tf\ntf.saved_model.load(folder)",
        "message = Kind.FromString(content)",
        "import zipfile\nzipfile.ZipFile(path)",
        "import cv2\ncv2.imread(path)",
    ],
)
def test_a_new_one_elsewhere_is_found(source):
    assert len(strangers("tf_relight.somewhere", source)) >= 1
