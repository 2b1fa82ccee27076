"""The tiny model and a server around it, in a thread of the test process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass

import pytest

from export.serving.limits import Limits
from tests.export.serving.tiny_model import write_tiny_model

pytest.importorskip("fastapi")
pytest.importorskip("tensorflow_serving")


@dataclass(frozen=True)
class Running:
    """Addresses of a server."""

    http: str
    grpc: str

    @property
    def both(self):
        """HTTP and gRPC, as clients take them."""
        return f"http://{self.http}", f"grpc://{self.grpc}"


@contextlib.contextmanager
def running(folder, **options):
    """Yield a server on free ports; afterwards it must have ended in order."""
    from export.serving.model import find_models
    from export.serving.server import ServerOptions, run

    ready = threading.Event()
    shared = {}

    async def main():
        shared["stop"], shared["loop"] = asyncio.Event(), asyncio.get_running_loop()

        def started(http, grpc):
            shared["server"] = Running(http, grpc)
            ready.set()

        await run(
            find_models(folder), ServerOptions(http_port=0, grpc_port=0, **options), shared["stop"], started
        )

    def thread_main():
        try:
            asyncio.run(main())
        except BaseException as error:
            shared["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=thread_main)
    thread.start()
    assert ready.wait(60)
    if "error" in shared:
        raise shared["error"]
    try:
        yield shared["server"]
    finally:
        shared["loop"].call_soon_threadsafe(shared["stop"].set)
        thread.join(60)
        assert not thread.is_alive()
        if "error" in shared:
            raise shared["error"]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """A folder of models that holds the tiny one."""
    return write_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(tiny_models):
    """A running server with small limits."""
    limits = Limits(max_pixels=10_000, max_batch=4, max_body=2 << 20, max_held=4 << 20, read_timeout=1.5)
    with running(tiny_models, limits=limits, max_pixels=10_000) as found:
        yield found
