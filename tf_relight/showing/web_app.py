"""The browser app on this machine: its folder, and a server for nobody but the browser here."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tf_relight.errors import RelightError

HOST, PORT = "127.0.0.1", 8765
INSTALLED = Path(__file__).parents[1] / "web_app"
CHECKOUT = Path(__file__).parents[2] / "mobile_demo" / "web"
NEEDED = ("index.html", "models/manifest.json", "vendor/litert/index.js", "example.jpg")
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".tflite": "application/octet-stream",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; "
    "img-src 'self' blob: data:; style-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Content security policy: nothing is loaded from elsewhere, and nothing is sent there."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Both together isolate the page, so that it may use all cores.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def web_folder() -> Path:
    """Return the folder of the app: that of the installed package, or of the checkout.

    Raises:
        RelightError: it is not there, or was not put together yet.
    """
    for folder in (INSTALLED, CHECKOUT):
        if (folder / "index.html").is_file():
            missing = [name for name in NEEDED if not (folder / name).is_file()]
            if missing:
                raise RelightError(
                    f"The app in {folder} lacks {missing[0]}. Put it together with `make -C mobile_demo web`."
                )
            return folder
    raise RelightError(
        "This install has no browser app. Install a wheel that holds it, or run `relight app` in a checkout."
    )


@contextlib.contextmanager
def served(folder: Path, port: int = PORT, *, isolated: bool = True) -> Iterator[str]:
    """Serve a folder to this machine while the block runs; yields the address of the page.

    Args:
        port: 0 takes a free one.
        isolated: False leaves out what lets the page use several cores, as plain web hosts do.

    Raises:
        RelightError: the port is taken or out of range.
    """
    if not 0 <= port <= 65535:
        raise RelightError(f"Port {port} is outside 0..65535.")
    headers = {
        name: value for name, value in HEADERS.items() if isolated or not name.startswith("Cross-Origin-")
    }
    handler = functools.partial(_Handler, directory=str(folder), headers=headers)
    try:
        server = _Server((HOST, port), handler)
    except OSError as error:
        raise RelightError(
            f"Port {port} cannot be used ({error.strerror}). Give another with --port, or 0 for any free one."
        ) from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder, with the headers of the app, to callers who ask for this machine by its name."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **_TYPES}
    timeout = 30

    def __init__(self, *arguments: object, headers: dict[str, str], **named: object) -> None:
        self._own_headers = headers
        super().__init__(*arguments, **named)  # type: ignore[arg-type]

    def send_head(self):
        """Refuse what asks under another name: a page elsewhere could have pointed its own name here."""
        name = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if name not in (HOST, "localhost"):
            self.send_error(421, "This server answers to localhost only.")
            return None
        return super().send_head()

    def list_directory(self, path):
        """Folders have no listing."""
        self.send_error(404, "There is no such file.")
        return None

    def end_headers(self) -> None:
        for name, value in self._own_headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing for each request."""
