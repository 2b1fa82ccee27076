"""`python -m export serve`."""

from __future__ import annotations

from typing import Any


def add(commands: Any, example: str = "relight export serve models/") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="serve models over HTTP and gRPC",
        description=(
            "Serve the models that `relight export savedmodel` wrote, over HTTP and gRPC in the shape of "
            "TensorFlow Serving. SIGTERM or Ctrl-C finishes what was accepted and ends."
        ),
        example=example,
    )
    parser.set_defaults(command=serve_models)
    parser.add_argument("folder", metavar="DIR", help="folder of models, or of one model's versions")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; other machines have no access by default"
    )
    parser.add_argument("--http-port", type=int, default=8501, metavar="N", help="8501; 0 takes a free one")
    parser.add_argument("--grpc-port", type=int, default=8500, metavar="N", help="8500; 0 takes a free one")
    parser.add_argument("--no-grpc", action="store_true", help="HTTP only")
    parser.add_argument(
        "--max-batch", type=int, default=8, metavar="N", help="pictures in a request and in a batch: 8"
    )
    parser.add_argument(
        "--max-wait", type=float, default=2.0, metavar="MS", help="a batch waits for more pictures: 2"
    )
    parser.add_argument(
        "--max-queue", type=int, default=64, metavar="N", help="requests that wait; more get 503: 64"
    )
    parser.add_argument(
        "--max-pixels", type=int, metavar="N", help="of one request; the model's own limit by default"
    )
    parser.add_argument("--max-body", type=int, default=64, metavar="MIB", help="of one request: 64")
    parser.add_argument(
        "--read-timeout", type=float, default=30.0, metavar="S", help="for a request to arrive: 30"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of TensorFlow; every core by default")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="batches that run at the same time: 1"
    )


def serve_models(
    *,
    folder: str,
    host: str,
    http_port: int,
    grpc_port: int,
    no_grpc: bool,
    max_batch: int,
    max_wait: float,
    max_queue: int,
    max_pixels: int | None,
    max_body: int,
    read_timeout: float,
    threads: int | None,
    workers: int,
) -> int:
    """Serve until a signal comes.

    Raises:
        RelightError: as in `server.serve`, or a number out of range.
    """
    import logging

    from export.serving.limits import Limits
    from export.serving.server import ServerOptions, serve

    counts = {
        "--max-batch": max_batch,
        "--max-queue": max_queue,
        "--max-pixels": max_pixels,
        "--max-body": max_body,
        "--threads": threads,
        "--workers": workers,
    }
    _check_ranges(counts, max_wait, read_timeout)
    logging.basicConfig(level=logging.INFO, format="serve: %(message)s")
    # Its notes on every connection that talks nonsense would let callers fill the log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    limits = Limits(
        max_batch=max_batch,
        max_wait=max_wait / 1000,
        max_queue=max_queue,
        max_body=max_body << 20,
        max_held=max(512 << 20, max_body << 21),
        read_timeout=read_timeout,
    )
    serve(
        folder,
        ServerOptions(
            host=host,
            http_port=http_port,
            grpc_port=None if no_grpc else grpc_port,
            threads=threads,
            workers=workers,
            max_pixels=max_pixels,
            limits=limits,
        ),
    )
    return 0


def _check_ranges(counts: dict[str, int | None], max_wait: float, read_timeout: float) -> None:
    from tf_relight.errors import RelightError

    for name, value in counts.items():
        if value is not None and value < 1:
            raise RelightError(f"{name} {value} is not a number from 1 on.")
    if not 0 <= max_wait <= 10_000:
        raise RelightError(f"--max-wait {max_wait:g} is outside 0..10000 ms.")
    if not 0 < read_timeout <= 3600:
        raise RelightError(f"--read-timeout {read_timeout:g} is outside 0..3600 s.")
