"""Starting and ending the server: HTTP and gRPC in one event loop, TensorFlow in threads behind them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from export.serving.limits import Limits
from tf_relight.errors import RelightError

HTTP_PORT, GRPC_PORT = 8501, 8500
"""Those of TensorFlow Serving."""
_PACKAGES = ("fastapi", "grpc", "prometheus_client", "uvicorn")
_log = logging.getLogger("export.serving")


@dataclass(frozen=True)
class ServerOptions:
    """How to serve.

    Attributes:
        host: address to listen on; there is no password and no encryption.
        http_port, grpc_port: 0 takes a free one; None leaves gRPC out.
        threads: that TensorFlow uses for one operation; None takes every core.
        workers: batches that run at the same time.
        max_pixels: None takes each model's own limit.
    """

    host: str = "127.0.0.1"
    http_port: int = HTTP_PORT
    grpc_port: int | None = GRPC_PORT
    threads: int | None = None
    workers: int = 1
    max_pixels: int | None = None
    limits: Limits = field(default_factory=Limits)


def serve(folder: Path | str, options: ServerOptions) -> None:
    """Serve the models of a folder until SIGTERM or SIGINT, then finish what was accepted.

    Raises:
        RelightError: a missing package, no model, a port that is taken, or a model that cannot be loaded.
    """
    _require_packages()
    from export.serving.model import find_models

    async def until_signal() -> bool:
        return await run(folders, options, _on_signals())

    folders = find_models(folder)
    if not asyncio.run(until_signal()):
        # A thread of TensorFlow is in the middle of a model, and cannot be told to stop.
        logging.shutdown()
        os._exit(0)


async def run(
    folders: dict[str, Path],
    options: ServerOptions,
    stopped: asyncio.Event,
    on_ready: Callable[[str, str], None] | None = None,
) -> bool:
    """Serve until `stopped` is set, then finish what was accepted; False if a model was still being loaded.

    Args:
        folders: from `model.find_models`.
        on_ready: is called with the addresses of HTTP and gRPC, such as "127.0.0.1:8501", once requests are
            answered; the second is empty without gRPC.

    Raises:
        RelightError: a port that is taken, or a model that cannot be loaded.
    """
    from export.serving.service import Service, in_background

    cut_off = False
    with contextlib.closing(_listen(options.host, options.http_port)) as listener:
        stop = asyncio.create_task(stopped.wait())
        service = Service(folders, options.limits, max_pixels=options.max_pixels, workers=options.workers)
        http = _http_server(service, options)
        running = asyncio.create_task(http.serve(sockets=[listener]))
        http_address, grpc_address, calls = _address(options.host, listener.getsockname()[1]), "", None

        async def prepare() -> None:
            nonlocal grpc_address, calls
            await in_background(functools.partial(_set_threads, options.threads))
            if options.grpc_port is not None:
                from export.serving import grpc_server

                calls, port = await grpc_server.start(service, options.host, options.grpc_port)
                grpc_address = _address(options.host, port)
                _log.info("grpc %s", grpc_address)
            await service.load()

        try:
            _log.info("loading; http://%s", http_address)
            loading = asyncio.create_task(prepare())
            await _first(loading, stop)
            if loading.done():
                loading.result()
                _log.info("ready")
                _warn_if_open(options.host)
                if on_ready:
                    on_ready(http_address, grpc_address)
                await _first(running, stop)
            else:
                loading.cancel()
                cut_off = True
        finally:
            _log.info("ending: finishing what was accepted")
            stop.cancel()
            service.end()
            http.should_exit = True
            ending = [running] if calls is None else [running, calls.stop(options.limits.drain_timeout)]
            await asyncio.gather(*ending)
            await service.close()
    _log.info("ended")
    return not cut_off


async def _first(*tasks: asyncio.Task[Any]) -> None:
    """Wait until one of the tasks ends."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        stopped.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    return stopped


def _http_server(service: Any, options: ServerOptions) -> Any:
    import uvicorn

    from export.serving.http_app import make_app
    from export.serving.http_protocol import patient_for

    class Server(uvicorn.Server):
        """Leaves the signals to `_on_signals`: uvicorn's own way ends with the signal's exit code."""

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            """Capture none."""
            yield

    limits = options.limits
    return Server(
        uvicorn.Config(
            make_app(service),
            http=patient_for(limits.read_timeout),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.max_connections,
            timeout_keep_alive=max(1, int(limits.read_timeout)),
            timeout_graceful_shutdown=max(1, int(limits.drain_timeout)),
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RelightError(f"HTTP cannot use {host}:{port}: {reason}. Give another --http-port.") from error


def _set_threads(threads: int | None) -> None:
    """Import TensorFlow, which takes seconds, and bound its threads."""
    import tensorflow as tf

    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def _require_packages() -> None:
    for name in (*_PACKAGES, "tensorflow_serving"):
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise RelightError(f"Serving needs the package {name}. Install the extra `serve`.")


def _warn_if_open(host: str) -> None:
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host != "localhost":
        _log.warning("%s is open to others, without password or encryption. Put a proxy in front.", host)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
