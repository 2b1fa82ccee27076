"""Where downloaded weights lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_relight.weights.record import KNOWN, cache_folder, path_of

NAME = next(name for name, record in KNOWN.items() if not record.shipped)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_RELIGHT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the convention of Linux")
def test_the_convention_of_the_system(home, monkeypatch):
    assert cache_folder() == home / ".cache" / "tf_relight"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert cache_folder() == home / "xdg" / "tf_relight"
    monkeypatch.setenv("TF_RELIGHT_CACHE", "~/mine")
    assert cache_folder() == home / "mine"


def test_weights_of_before_are_still_found(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    new = cache_folder() / KNOWN[NAME].file
    earlier = home / ".cache" / "tf_relight" / KNOWN[NAME].file
    assert path_of(NAME) == new
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"x")
    assert path_of(NAME) == earlier
    new.parent.mkdir(parents=True)
    new.write_bytes(b"y")
    assert path_of(NAME) == new
    new.unlink()
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(home / "chosen"))
    assert path_of(NAME) == home / "chosen" / KNOWN[NAME].file, "who names a folder means it"


def test_the_command_writes_nothing_into_the_home_folder(tmp_path):
    """Keras would write ~/.keras/keras.json when it is imported."""
    program = (
        "from tf_relight.cli.main import main; main(['methods']); import keras; print(keras.config.floatx())"
    )
    env = {key: value for key, value in os.environ.items() if key != "KERAS_HOME"}
    (tmp_path / "home").mkdir()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={**env, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.endswith("float32\n"), done.stderr
    assert list((tmp_path / "home").iterdir()) == []
