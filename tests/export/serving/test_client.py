"""The client, over HTTP and gRPC alike."""

from __future__ import annotations

import numpy as np
import pytest

from export.serving.client import Client, Refused
from tests.export.serving.tiny_model import light_of, picture, pixels_of
from tf_relight.errors import RelightError


@pytest.fixture(scope="module", params=["http", "grpc"])
def address(request, server):
    return dict(zip(("http", "grpc"), server.both, strict=True))[request.param]


@pytest.fixture
def client(address):
    with Client(address, "tiny", timeout=20) as made:
        yield made


def test_relight(client):
    found = pixels_of(client.relight(picture(3), light=[2, 0, 0, 0, 0, 0, 0, 0, 0]))
    np.testing.assert_array_equal(found, 2 * pixels_of(picture(3)))


def test_predict_gives_arrays_of_the_models_types(client):
    image = np.random.default_rng(0).random((2, 3, 4, 3), dtype=np.float32)
    light = np.concatenate([light_of(0.5), light_of(0.25)])
    outputs = client.predict({"image": image, "light": light.tolist()}, "relight")
    assert {name: (each.shape, each.dtype) for name, each in outputs.items()} == {
        "relit": ((2, 3, 4, 3), np.float32),
        "source_light": ((2, 9), np.float32),
    }
    np.testing.assert_allclose(outputs["relit"], image * light[:, None, None, :1], rtol=1e-6)


def test_the_default_signature(client):
    outputs = client.predict({"image_bytes": [picture(1)] * 2, "light": np.repeat(light_of(1), 2, axis=0)})
    assert outputs["relit_bytes"].shape == (2,)
    np.testing.assert_array_equal(pixels_of(outputs["relit_bytes"][1]), pixels_of(picture(1)))


def test_signatures_and_state(client, address):
    assert client.ready()
    found = client.signatures()["relight_jpeg"]
    assert found == {
        "inputs": {"image_bytes": "DT_STRING", "light": "DT_FLOAT"},
        "outputs": {"relit_bytes": "DT_STRING"},
    }
    with Client(address, "nope") as other:
        assert not other.ready()
    with Client(address, "tiny", version=1) as other:
        assert other.ready()


def test_refusals_are_one_kind_of_error(client, address):
    with pytest.raises(Refused, match="light") as told:
        client.relight(picture(1))
    assert told.value.code in ("400", "INVALID_ARGUMENT") and not told.value.temporary
    with pytest.raises(Refused, match="no signature 'nope'"):
        client.predict({"x": [1.0]}, "nope")
    with (
        Client(address, "tiny", version=7) as other,
        pytest.raises(Refused, match="version 1, not 7") as told,
    ):
        other.relight(picture(1), light=light_of(1))
    assert told.value.code in ("404", "NOT_FOUND")


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there(scheme):
    with Client(f"{scheme}://127.0.0.1:9", "tiny", timeout=5) as client:
        assert not client.ready()
        with pytest.raises(Refused):
            client.predict({"x": [1.0]})


@pytest.mark.parametrize("address", ["127.0.0.1:8501", "ftp://x", "http://", ""])
def test_other_addresses(address):
    with pytest.raises(RelightError, match="not an address"):
        Client(address, "tiny")
