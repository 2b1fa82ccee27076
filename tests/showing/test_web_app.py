"""The server of the browser app: files of one folder, for this machine alone."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.showing import web_app
from tf_relight.showing.web_app import NEEDED, served, web_folder


@pytest.fixture
def folder(tmp_path):
    """A whole app of empty files, with a secret beside it."""
    app = tmp_path / "app"
    for name in (*NEEDED, "worker.js", "vendor/litert/wasm/a.wasm"):
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    return app


def asked(address: str, path: str, host: str | None = None) -> http.client.HTTPResponse:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"{place.hostname}:{place.port}")
    connection.endheaders()
    return connection.getresponse()


def test_files_are_served_with_a_policy_and_isolated(folder):
    with served(folder, 0) as address, urllib.request.urlopen(address) as page:
        assert page.read() == b"index.html"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        kinds = {
            "worker.js": "text/javascript",
            "vendor/litert/wasm/a.wasm": "application/wasm",
            "models/manifest.json": "application/json",
        }
        for name, kind in kinds.items():
            with urllib.request.urlopen(address + name) as file:
                assert file.headers["Content-Type"] == kind


def test_a_server_may_stand_for_plain_hosts(folder):
    with served(folder, 0, isolated=False) as address, urllib.request.urlopen(address) as page:
        assert page.headers["Cross-Origin-Opener-Policy"] is None
        assert page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/models/", "/nothing.js"])
def test_what_is_no_file_of_the_folder_is_not_served(folder, path):
    with served(folder, 0) as address:
        answer = asked(address, path)
        assert answer.status == 404 and b"secret" not in answer.read()


def test_callers_under_another_name_are_refused(folder):
    with served(folder, 0) as address:
        assert asked(address, "/", host="evil.example").status == 421
        assert asked(address, "/", host="localhost:80").status == 200


def test_a_port_in_use_is_said(folder):
    with served(folder, 0) as address:
        port = urlsplit(address).port
        assert port is not None
        with pytest.raises(RelightError, match=f"Port {port} cannot be used"), served(folder, port):
            pass
    with pytest.raises(RelightError, match="outside 0..65535"), served(folder, 70000):
        pass


def test_the_port_is_free_again_afterwards(folder):
    with served(folder, 0) as address:
        port = urlsplit(address).port
    assert port is not None
    with served(folder, port) as again:
        assert again == address
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=2)


def test_an_app_that_is_not_put_together_is_said(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(web_app, "INSTALLED", tmp_path / "none")
    monkeypatch.setattr(web_app, "CHECKOUT", folder)
    assert web_folder() == folder
    (folder / "models" / "manifest.json").unlink()
    assert main(["app", "--no-browser"]) == 2
    assert (
        "lacks models/manifest.json. Put it together with `make -C mobile_demo web`"
        in capsys.readouterr().err
    )
    monkeypatch.setattr(web_app, "CHECKOUT", tmp_path / "none")
    with pytest.raises(RelightError, match="has no browser app"):
        web_folder()
