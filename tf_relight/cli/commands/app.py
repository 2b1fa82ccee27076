"""`relight app`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import note, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "app",
        help="open the browser app: drag a lamp around a face",
        description="Serve the browser app to this machine alone and open it. Photos stay in the browser; "
        "nothing is sent anywhere. Ctrl-C ends it.",
        example="relight app --port 8765",
    )
    parser.set_defaults(command=run_app)
    parser.add_argument("--port", type=int, default=8765, metavar="N", help="8765; 0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="only say the address")


def run_app(*, port: int, no_browser: bool) -> int:
    """Serve the app until the user ends it.

    Raises:
        RelightError: as `web_app.web_folder` and `web_app.served`.
    """
    import contextlib
    import threading
    import webbrowser

    from tf_relight.showing.web_app import served, web_folder

    with served(web_folder(), port) as address:
        say(f"Relight is at {address} (Ctrl-C ends it)")
        if not no_browser and not webbrowser.open(address):
            note("No browser could be opened; open the address above yourself.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0
