"""Keeps TensorFlow's start-up notes off the terminal, and only those, and Keras out of the home folder.

Eight lines about oneDNN, CPU instructions and missing CUDA drivers are printed by C++ code while it is being
imported. They come before its log level is read, so that TF_CPP_MIN_LOG_LEVEL does not stop them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

KERAS_SETTINGS = Path(__file__).parent / "keras_settings"
"""Folder with the settings that Keras reads when it is imported."""
NOTE = re.compile(
    rb"[IWE]0000 |INFO: Created TensorFlow Lite |"
    + rb"WARNING: All log messages before absl|To enable the following instructions"
)
"""How a start-up note begins; fatal messages begin with F."""


def quiet_tensorflow() -> None:
    """Drop the notes of TensorFlow's import, whenever in this process it will be imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras writes its settings into ~/.keras unless they are there; others there would change our numbers.
    os.environ.setdefault("KERAS_HOME", str(KERAS_SETTINGS))
    if "tensorflow" not in sys.modules and not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then print it without the notes."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            for line in held:
                if not NOTE.match(line):
                    os.write(2, line)


class _Finder(MetaPathFinder):
    """Puts `_Loader` around the loader of TensorFlow, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Runs another loader with the notes held back."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The package looks for itself through its spec; it has to find its ordinary loader there.
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._inner
        with without_notes():
            self._inner.exec_module(module)
