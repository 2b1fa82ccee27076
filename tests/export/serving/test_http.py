"""The REST interface over a real socket: answers, status codes, limits, slow callers."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time

import httpx
import numpy as np
import pytest

from export.serving.hostile import bomb, slow_call
from tests.export.serving.tiny_model import light_of, picture, pixels_of

PREDICT = "/v1/models/tiny:predict"
LIGHT = light_of(2.0)[0].tolist()


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=f"http://{server.http}", timeout=20, trust_env=False) as client:
        yield client


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def row(number=1, light=LIGHT, **kinds):
    return {"image_bytes": b64(picture(number, **kinds)), "light": light}


def asked(http, body, **options):
    """Return status and body of a prediction."""
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    options.setdefault("headers", {"content-type": "application/json"})
    answer = http.post(PREDICT, content=content, **options)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def test_rows(http):
    status, body = asked(http, {"instances": [row(1), row(2, light_of(1.0)[0].tolist(), kind="WEBP")]})
    assert status == 200
    first, second = (pixels_of(base64.b64decode(each["b64"])) for each in body["predictions"])
    np.testing.assert_array_equal(first, 2 * pixels_of(picture(1)))
    np.testing.assert_array_equal(second, pixels_of(picture(2)))


def test_columns(http):
    status, body = asked(
        http,
        {
            "signature_name": "relight",
            "inputs": {"image": [[[[0.25, 0.5, 0]]]], "light": [LIGHT]},
        },
    )
    assert status == 200
    assert body["outputs"] == {"relit": [[[[0.5, 1.0, 0.0]]]], "source_light": [LIGHT]}


def test_rows_with_several_outputs(http):
    instance = {"image": [[[0.25, 0.5, 0]]], "light": LIGHT}
    status, body = asked(http, {"signature_name": "relight", "instances": [instance] * 2})
    assert status == 200
    assert body["predictions"] == [{"relit": [[[0.5, 1.0, 0.0]]], "source_light": LIGHT}] * 2


def test_one_input_and_output_go_without_names(http):
    assert asked(http, {"signature_name": "single", "inputs": 3}) == (200, {"outputs": 6.0})


def test_state_and_metadata(http):
    for place in ("/v1/models/tiny", "/v1/models/tiny/versions/1"):
        assert http.get(place).json()["model_version_status"] == [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
        body = http.get(f"{place}/metadata").json()
        assert body["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
        light = body["metadata"]["signature_def"]["signature_def"]["relight_jpeg"]["inputs"]["light"]
        assert light["dtype"] == "DT_FLOAT"
        assert [each["size"] for each in light["tensor_shape"]["dim"]] == ["-1", "9"]
    assert http.post("/v1/models/tiny/versions/1:predict", json={"instances": [row()]}).status_code == 200


def test_health_readiness_and_metrics(http):
    asked(http, {"instances": [row()]})
    asked(http, {"instances": [row(light=[1])]})
    assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
    text = http.get("/metrics").text
    good = 'relight_requests_total{model="tiny",protocol="http",signature="serving_default",status="OK"}'
    assert good in text
    assert good.replace("OK", "INVALID") in text
    assert "relight_queue_requests 0.0" in text and "process_resident_memory_bytes" in text


def test_metrics_do_not_grow_with_made_up_names(http):
    for number in range(5):
        http.post(f"/v1/models/made-up-{number}:predict", json={"instances": [row()]})
        asked(http, {"signature_name": f"made-up-{number}", "instances": [row()]})
    assert "made-up" not in http.get("/metrics").text


BAD_BODIES = {
    "not JSON": ("{", "not JSON"),
    "not UTF-8": (b"\xff\xfe{}", "not JSON"),
    "half a character": (b'{"signature_name": "\\ud800", "instances": [1]}', "half of a character"),
    "half a character as an input": (b'{"instances": [{"\\udfff": 1}]}', "half of a character"),
    "control characters": ({"signature_name": "\x1b[2J\x00", "instances": [row()]}, "no signature"),
    "nested": ("[" * 100_000, "nested too deeply"),
    "a list": ([], "neither or both"),
    "both forms": ({"instances": [], "inputs": {}}, "neither or both"),
    "no instances": ({"instances": []}, "at least one"),
    "signature no string": ({"signature_name": 3, "instances": [row()]}, "not a string"),
    "unknown signature": (
        {"signature_name": "relight_jpg", "instances": [row()]},
        "no signature 'relight_jpg'. Did you mean 'relight_jpeg'",
    ),
    "missing input": ({"inputs": {"light": [LIGHT]}}, "lacks the input 'image_bytes'"),
    "unknown input": ({"instances": [{**row(), "lamp": 1}]}, "unknown input 'lamp'"),
    "rows differ": ({"instances": [row(), {"light": LIGHT}]}, "same inputs"),
    "nameless of several": ({"instances": [b64(picture(1))]}, "several inputs"),
    "not base64": ({"instances": [{"image_bytes": {"b64": "?"}, "light": LIGHT}]}, "not base64"),
    "base64 of a number": ({"instances": [{"image_bytes": {"b64": 7}, "light": LIGHT}]}, "not base64"),
    "text for bytes": ({"instances": [{"image_bytes": "abc", "light": LIGHT}]}, "written as"),
    "no picture": (
        {"instances": [{"image_bytes": b64(b"hello"), "light": LIGHT}]},
        "not a JPEG, PNG or WebP",
    ),
    "empty picture": ({"instances": [{"image_bytes": b64(b""), "light": LIGHT}]}, "not a JPEG, PNG or WebP"),
    "short light": ({"instances": [row(light=[1, 2])]}, "shape [1, 2], but takes [any, 9]"),
    "ragged light": ({"inputs": {"image_bytes": [b64(b"")], "light": [[1], [1, 2]]}}, "equal length"),
    "light of words": ({"instances": [row(light=["a"] * 9)]}, "takes numbers"),
    "light of objects": ({"instances": [row(light=[{}] * 9)]}, "takes numbers"),
    "NaN light": ({"instances": [row(light=[float("nan")] * 9)]}, "NaN or infinity"),
    "huge light": ({"instances": [row(light=[1e300] * 9)]}, "NaN or infinity"),
    "counts differ": (
        {"inputs": {"image_bytes": [b64(picture(1))], "light": [LIGHT, LIGHT]}},
        "same number of entries",
    ),
    "too many": ({"instances": [row()] * 5}, "Send 1 to 4"),
    "none": ({"inputs": {"image_bytes": [], "light": np.zeros((0, 9)).tolist()}}, "shape [0], but takes"),
    "refused by the graph": (
        {"signature_name": "relight", "inputs": {"image": [[[[2, 0, 0]]]], "light": [LIGHT]}},
        "image must stay below 2.",
    ),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_requests_get_one_sentence(http, case):
    body, words = BAD_BODIES[case]
    status, answer = asked(http, body)
    assert (status, list(answer)) == (400, ["error"])
    assert words in answer["error"]
    assert "\n" not in answer["error"] and "Traceback" not in answer["error"] and len(answer["error"]) < 400


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_is_cut_off(http, kind):
    content = picture(1, (40, 40), kind)
    for part in (0.3, 0.7):
        cut = {"image_bytes": b64(content[: int(part * len(content))]), "light": LIGHT}
        status, answer = asked(http, {"instances": [cut]})
        assert status == 400 and "damaged or cut off" in answer["error"]


def test_unknown_places(http):
    for place, words in {
        "/v1/models/tinny": "Did you mean 'tiny'",
        "/v1/models/tinny/metadata": "no model",
        "/v1/models/tiny/versions/2": "served in version 1, not 2",
        "/nothing": "Not Found",
    }.items():
        answer = http.get(place)
        assert answer.status_code == 404 and words in answer.json()["error"]
    assert http.post("/v1/models/tinny:predict", json={"instances": [row()]}).status_code == 404
    assert http.get("/v1/models/tiny/versions/x").status_code == 400
    assert http.post("/v1/models/tiny").status_code == 405


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""])
def test_other_content_types_are_refused(http, kind):
    status, answer = asked(http, json.dumps({"instances": [row()]}), headers={"content-type": kind})
    assert status == 415 and "Send application/json" in answer["error"]


def test_bombs_are_refused_before_decoding(http):
    start = time.perf_counter()
    status, answer = asked(http, {"instances": [{"image_bytes": b64(bomb()), "light": LIGHT}]})
    assert status == 413 and "30000 x 30000" in answer["error"]
    assert time.perf_counter() - start < 5


def test_many_pictures_that_are_too_large_together(http):
    large = row(size=(60, 60))
    assert asked(http, {"instances": [large] * 2})[0] == 200
    status, answer = asked(http, {"instances": [large] * 3})
    assert status == 413 and "10,800 pixels" in answer["error"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(http, announced):
    parts = [b"x" * 65536] * 48
    content = b"".join(parts) if announced else iter(parts)
    answer = http.post(PREDICT, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 413 and "2,097,152 bytes" in answer.json()["error"]
    assert asked(http, {"instances": [row()]})[0] == 200


def test_bodies_together_are_bounded(server):
    """Of three bodies of 1.9 MiB, none of them complete, the third has no room within 4 MiB."""
    host, port = server.http.split(":")
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += "Content-Length: 2000000\r\n\r\n"
    lines = [socket.create_connection((host, int(port)), timeout=10) for _ in range(3)]
    for line in lines:
        line.sendall(head.encode() + b"x" * 1_990_000)
    answers = [line.recv(100) for line in lines]
    for line in lines:
        line.close()
    codes = sorted(answer.split(b" ")[1] for answer in answers)
    assert codes == [b"408", b"408", b"503"]


def test_slow_callers_are_cut_and_others_are_served(server, http):
    outcomes = {}

    def slow(kind, number):
        outcomes[kind, number] = slow_call(f"http://{server.http}", "tiny", kind, seconds=15, pause=0.2)

    threads = [
        threading.Thread(target=slow, args=(kind, number))
        for kind in ("headers", "body")
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert asked(http, {"instances": [row()]})[0] == 200
        time.sleep(0.05)
    expected = {"headers": "cut", "body": "refused"}
    assert outcomes == {(kind, number): expected[kind] for kind in expected for number in range(4)}


def test_a_caller_that_does_not_read_is_cut(server, http):
    """The answers are larger than what sockets buffer, so the rest waits in the server."""
    host, port = server.http.split(":")
    wide = {"signature_name": "relight", "inputs": {"image": np.full((1, 90, 100, 3), 0.3).tolist()}}
    wide["inputs"]["light"] = [LIGHT]
    body = json.dumps(wide).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect((host, int(port)))
    line.settimeout(10)
    # All at once: the server has read the next request before it notices that nobody takes the answers.
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        line.sendall(request * 30)
        for _ in range(60):
            time.sleep(0.1)
            line.sendall(b"x")
    line.close()
    assert asked(http, {"instances": [row()]})[0] == 200


def test_a_caller_that_reads_slowly_is_waited_for():
    """What is left to send shrinks four times and then no more."""
    from export.serving.http_protocol import patient_for

    left = iter([500, 400, 300, 200, 100, 100])

    class Line:
        """A transport, as far as it is asked."""

        cut_after = None

        def get_write_buffer_size(self):
            self.last = next(left, 100)
            return self.last

        def abort(self):
            self.cut_after = asyncio.get_running_loop().time() - start

    async def story():
        connection = patient_for(0.05).__new__(patient_for(0.05))
        connection.loop, connection.transport, connection.patience = asyncio.get_running_loop(), line, 0.05
        connection._be_patient()
        await asyncio.sleep(0.6)

    line, start = Line(), time.monotonic()
    asyncio.run(story())
    assert 0.1 < line.cut_after < 0.6 and line.last == 100


def test_one_bad_picture_among_many_fails_alone(http):
    """All are sent at once; their headers are good, so they meet in batches."""
    good = [row(number) for number in range(12)]
    content = picture(99, (40, 40))
    bad = {"image_bytes": b64(content[:-200]), "light": LIGHT}
    bodies = [*good[:6], bad, *good[6:]]
    answers = [None] * len(bodies)

    def ask(place):
        answers[place] = asked(http, {"instances": [bodies[place]]})

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.pop(6)[0] == 400
    for number, (status, body) in enumerate(answers):
        assert status == 200
        found = pixels_of(base64.b64decode(body["predictions"][0]["b64"]))
        np.testing.assert_array_equal(found, 2 * pixels_of(picture(number)))
