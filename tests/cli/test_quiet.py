"""TensorFlow's start-up notes are dropped, everything else on stderr stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_relight.quiet import without_notes

ROOT = Path(__file__).parents[2]
NOISY = """
import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:1.2 77 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"something else\\n")
value = 3
"""


def test_only_notes_are_dropped(capfd):
    with without_notes():
        os.write(2, b"I0000 00:00:1.2 77 cudart_stub.cc:31] Could not find cuda drivers\n")
        print("F0000 the machine is too old", file=sys.stderr)
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "F0000 the machine is too old\nafter\n"


def test_what_was_printed_before_an_error_is_shown(capfd):
    with pytest.raises(ImportError), without_notes():
        print("no such library", file=sys.stderr)
        raise ImportError
    assert capfd.readouterr().err == "no such library\n"


def test_the_import_is_quiet_and_otherwise_ordinary(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(NOISY)
    (tmp_path / "tensorflow" / "inner.py").write_text("value = 4\n")
    code = """
import sys
from tf_relight.quiet import quiet_tensorflow
quiet_tensorflow(); quiet_tensorflow()
import tensorflow, tensorflow.inner
assert (tensorflow.value, tensorflow.inner.value) == (3, 4)
assert type(tensorflow.__loader__).__name__ == type(tensorflow.__spec__.loader).__name__ == "SourceFileLoader"
assert "_Finder" not in [type(each).__name__ for each in sys.meta_path]
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "something else\n")
