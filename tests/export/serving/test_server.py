"""Start, overload and end of the server; the command."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from export.commands import serve as command
from export.serving import load_test
from export.serving.client import Client, Refused
from export.serving.limits import Limits
from export.serving.model import find_models
from export.serving.spawned import ABOVE, spawned
from tests.export.serving.conftest import running
from tests.export.serving.tiny_model import light_of, picture
from tf_relight.cli.parser import Parser
from tf_relight.errors import RelightError


@pytest.fixture
def slow_batches(monkeypatch):
    """Hold every batch until the event is set."""
    from export.serving.model import ServedModel

    gate, run = threading.Event(), ServedModel.run

    def held(self, requests):
        gate.wait(20)
        return run(self, requests)

    monkeypatch.setattr(ServedModel, "run", held)
    yield gate
    gate.set()


@pytest.mark.parametrize("protocol", [0, 1])
def test_overload_is_told_at_once_and_the_rest_is_answered(tiny_models, slow_batches, protocol):
    limits = Limits(max_batch=2, max_queue=3, max_wait=0)
    results = []

    def ask(address):
        try:
            with Client(address, "tiny", timeout=30) as client:
                results.append(client.relight(picture(1), light=light_of(1)))
        except Refused as error:
            results.append(error)

    with running(tiny_models, limits=limits) as server:
        address = server.both[protocol]
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        # At most 2 run and 3 wait; the others are refused while nothing has been answered yet.
        for _ in range(600):
            if len(results) >= 7:
                break
            threading.Event().wait(0.02)
        refused = [each for each in results if isinstance(each, Refused)]
        assert len(refused) >= 7
        assert {each.code for each in refused} == {("503", "RESOURCE_EXHAUSTED")[protocol]}
        assert all(each.temporary and "queue of 3 requests is full" in str(each) for each in refused)
        slow_batches.set()
        for thread in threads:
            thread.join()
    answers = [each for each in results if isinstance(each, bytes)]
    # One that began late may have been refused meanwhile.
    refused = [each for each in results if isinstance(each, Refused)]
    assert len(answers) + len(refused) == 12 and 4 <= len(answers) <= 5


def test_at_the_end_what_was_accepted_is_answered(tiny_models, slow_batches):
    results = []

    def ask(address):
        with Client(address, "tiny", timeout=30) as client:
            results.append(client.relight(picture(1), light=light_of(1)))

    with running(tiny_models) as server:
        threads = [threading.Thread(target=ask, args=(address,)) for address in server.both * 3]
        for thread in threads:
            thread.start()
        waited = Client(server.both[0], "tiny")
        threading.Event().wait(0.7)
        threading.Timer(0.5, slow_batches.set).start()
    # `running` has told the server to end before the batches could run.
    for thread in threads:
        thread.join()
    assert len(results) == 6
    with pytest.raises(Refused):
        waited.relight(picture(1), light=light_of(1))
    waited.close()


def test_a_port_that_is_taken(tiny_models):
    with running(tiny_models) as other:
        http, grpc = (int(address.rpartition(":")[2]) for address in (other.http, other.grpc))
        with pytest.raises(RelightError, match=f"HTTP cannot use 127.0.0.1:{http}.*--http-port"):
            run_command(tiny_models, http_port=http)
        with pytest.raises(RelightError, match=f"gRPC cannot use 127.0.0.1:{grpc}.*--grpc-port"):
            run_command(tiny_models, http_port=0, grpc_port=grpc)


def run_command(folder, **changes):
    parser = Parser()
    command.add(parser.add_subparsers())
    options = vars(parser.parse_args(["serve", str(folder)]))
    options.pop("command")
    options.pop("parser")
    return command.serve_models(**{**options, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_batch": 0}, "--max-batch 0"),
        ({"max_queue": -1}, "--max-queue -1"),
        ({"max_pixels": 0}, "--max-pixels 0"),
        ({"workers": 0}, "--workers 0"),
        ({"max_wait": -1.0}, "--max-wait"),
        ({"read_timeout": 0.0}, "--read-timeout"),
        ({"http_port": 99999}, "HTTP cannot use"),
    ],
)
def test_options_out_of_range(tiny_models, changes, words):
    with pytest.raises(RelightError, match=words):
        run_command(tiny_models, **changes)


@pytest.mark.parametrize("package", ["uvicorn", "fastapi", "tensorflow_serving"])
def test_a_missing_package_names_the_extra(tiny_models, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RelightError, match=f"needs the package {package}. Install the extra `serve`"):
        run_command(tiny_models)


def test_folders_without_a_model(tmp_path, tiny_models):
    with pytest.raises(RelightError, match="no folder"):
        run_command(tmp_path / "none")
    with pytest.raises(RelightError, match="holds no model"):
        run_command(tmp_path)
    with pytest.raises(RelightError, match="one version of a model"):
        run_command(tiny_models / "tiny" / "1")
    assert list(find_models(tiny_models / "tiny")) == list(find_models(tiny_models)) == ["tiny"]


def test_a_damaged_model_ends_the_server_with_a_message(tmp_path, tiny_models):
    shutil.copytree(tiny_models / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / "1" / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(RelightError, match="cannot be loaded as a SavedModel"), running(tmp_path):
        pass


def test_the_newest_version_is_served(tmp_path, tiny_models):
    for version in ("2", "10"):
        shutil.copytree(tiny_models / "tiny" / "1", tmp_path / "tiny" / version)
    (tmp_path / "tiny" / "11").mkdir()  # one that is being copied
    with running(tmp_path) as server, Client(server.both[0], "tiny", version=10) as client:
        assert client.ready()


def test_a_process_under_load_and_its_end(tiny_models):
    """The load test itself on the real command: nothing lost or crossed, SIGTERM, exit code 0."""
    options = load_test.make_parser().parse_args(
        [str(tiny_models), "--requests", "120", "--side", "32", "--bad-every", "10", "--protocol", "grpc"]
    )
    row = load_test.run(tiny_models, options)
    assert not load_test.failed(row), row
    assert row["outcomes"] == {"bad refused": 12, "identical": 108}
    assert row["shutdown"] == {"asked": 8, "answered": 8, "exit_code": 0, "problems": []}


def test_sigterm_while_a_model_is_being_loaded_does_not_wait(tiny_models):
    """A model may take half a minute to load; nobody is served yet, so the end is at once."""
    program = (
        "import sys, time\nfrom export.serving import model\n"
        "def slow(*_):\n    print('slow', flush=True); time.sleep(600)\n"
        "model.load = slow\nfrom export.__main__ import main\n"
        f"sys.exit(main(['serve', {str(tiny_models)!r}, '--http-port', '0', '--grpc-port', '0']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ABOVE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "slow\n"
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 0 and "ended" in told and "Traceback" not in told
    assert time.monotonic() - start < 10


def test_the_load_test_notices_what_is_wrong(server, monkeypatch):
    """Answers that were swapped, lost or wrongly accepted must show."""
    questions = load_test.make_questions(4, 16, with_light=True)
    with Client(server.both[0], "tiny") as client:
        answers = [each.ask(client) for each in questions]
        swapped = [
            load_test.Question(each.picture, each.light, answer)
            for each, answer in zip(questions, answers[1:] + answers[:1], strict=True)
        ]
        tally = load_test.Tally()
        load_test.hammer([client], swapped, 8, 0, tally)
    assert tally.outcomes == {"crossed": 8} and len(tally.problems) == 5
    with Client("http://127.0.0.1:9", "tiny") as nobody:
        load_test.hammer([nobody], questions, 2, 2, tally)
    assert tally.outcomes["lost"] == 1 and tally.outcomes["bad refused wrongly"] == 1


def test_a_command_that_fails_says_why(tmp_path):
    with pytest.raises(RelightError, match="holds no model"), spawned(tmp_path):
        pass
