"""The files for TensorFlow Serving itself, as far as they can be read here."""

from __future__ import annotations

import re
from pathlib import Path

import export.serving
from tf_relight import methods

FOLDER = Path(export.serving.__file__).parent / "tf_serving"


def test_the_models_are_methods_at_the_places_that_the_container_copies():
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    text = (FOLDER / "models.config").read_text()
    found = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert [each.name for each in found] == ["dmshn", "dpr512"]
    for each in found:
        methods.get(each.name)
        assert each.base_path == f"/models/{each.name}" and each.model_platform == "tensorflow"
    assert "COPY models/ /models/" in (FOLDER / "Dockerfile").read_text()


def test_the_container_file_names_files_that_exist():
    text = (FOLDER / "Dockerfile").read_text()
    copied = re.findall(r"export/serving/tf_serving/(\S+\.config)", text)
    assert sorted(copied) == sorted(path.name for path in FOLDER.glob("*.config"))
    named = re.findall(r"=/etc/relight/([\w.]+)", text)
    assert set(each.rstrip(".") for each in named) <= set(copied)
