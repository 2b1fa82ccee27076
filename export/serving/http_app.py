"""TensorFlow Serving's REST interface on FastAPI, with health, readiness and Prometheus metrics.

    POST /v1/models/NAME[/versions/N]:predict
    GET  /v1/models/NAME[/versions/N]            state
    GET  /v1/models/NAME[/versions/N]/metadata   signatures
    GET  /healthz   200 while the process lives     GET /readyz   200 while it answers     GET /metrics

Differs from TensorFlow Serving: predictions must come as `application/json`, so that no web page can post
one from a visitor's browser without being asked; errors keep to the codes of `refusals.Reason`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# FastAPI reads annotations where the functions stand, so these cannot be imported inside them.
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from export.serving import rest
from export.serving.metadata import metadata_json, status_json
from export.serving.refusals import Reason, Refusal, Seldom, invalid
from export.serving.service import Service, State
from tf_relight.terminal import shown

JSON = "application/json"
_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_failures = Seldom(logging.getLogger("export.serving"))


class Bodies:
    """Reads bodies within limits of size, time and memory.

    Args:
        max_body, max_held, read_timeout: as in `limits.Limits`.
    """

    def __init__(self, max_body: int, max_held: int, read_timeout: float) -> None:
        self._max_body, self._max_held, self._read_timeout = max_body, max_held, read_timeout
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body of a request and count its bytes until the block ends.

        Raises:
            Refusal: it is too large, too slow, or there is no room for it.
        """
        _check_type(request.headers.get("content-type"))
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._max_body:
            raise self._too_large()
        # A list of chunks: growing one bytes object would copy it each time.
        chunks: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self._read_timeout):
                    async for chunk in request.stream():
                        size += len(chunk)
                        self._held += len(chunk)
                        if size > self._max_body:
                            raise self._too_large()
                        if self._held > self._max_held:
                            raise Refusal(Reason.OVERLOADED, "Too many bytes wait already. Try again later.")
                        chunks.append(chunk)
            except TimeoutError:
                raise Refusal(
                    Reason.SLOW, f"The body did not arrive within {self._read_timeout:g} s."
                ) from None
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self._held -= size

    def _too_large(self) -> Refusal:
        return Refusal(
            Reason.TOO_LARGE,
            f"The body is larger than the limit of {self._max_body:,} bytes. Send less.",
        )


def make_app(service: Service) -> FastAPI:
    """Return the ASGI application that asks `service`."""
    # No pages with documentation: they would load scripts from elsewhere.
    app = FastAPI(title="relight", docs_url=None, redoc_url=None, openapi_url=None)
    limits = service.limits
    bodies = Bodies(limits.max_body, limits.max_held, limits.read_timeout)
    _add_errors(app)

    async def predict(request: Request, name: str, version: str | None = None) -> Response:
        with service.metrics.request("http") as labels:
            service.version(name, _number(version))
            async with bodies.read(request) as body:
                asked = await asyncio.to_thread(rest.parse, body)
                del body
                found = await service.predict(name, _number(version), asked.signature, asked.inputs, labels)
            content = await asyncio.to_thread(rest.answer, asked.form, found.outputs)
        return Response(content, media_type=JSON)

    async def status(name: str, version: str | None = None) -> Response:
        served = service.version(name, _number(version))
        return Response(status_json(served, service.state.value), media_type=JSON)

    async def metadata(name: str, version: str | None = None) -> Response:
        return Response(metadata_json(service.model(name, _number(version))), media_type=JSON)

    async def alive() -> Response:
        return Response("alive\n", media_type="text/plain")

    async def ready() -> Response:
        good = service.state is State.READY
        return Response(
            f"{service.state.name.lower()}\n", 200 if good else Reason.NOT_READY.http, media_type="text/plain"
        )

    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=service.metrics.content_type)

    for path in (_MODEL, _VERSION):
        app.add_api_route(f"{path}:predict", predict, methods=["POST"])
        app.add_api_route(f"{path}/metadata", metadata, methods=["GET"])
        app.add_api_route(path, status, methods=["GET"])
    for path, answer in {"/healthz": alive, "/readyz": ready, "/metrics": metrics}.items():
        app.add_api_route(path, answer, methods=["GET"])
    return app


def _add_errors(app: FastAPI) -> None:
    """Answer every error as TensorFlow Serving does: {"error": "one sentence"}."""

    def told(status: int, sentence: str) -> JSONResponse:
        # The connection stays open: uvicorn throws away what is left of a refused body, so that the caller
        # gets to read why, and `http_protocol` cuts it when that takes too long.
        return JSONResponse({"error": shown(sentence)}, status)

    async def refused(request: Request, refusal: Any) -> JSONResponse:
        return told(refusal.reason.http, refusal.sentence)

    async def unknown(request: Request, error: Any) -> JSONResponse:
        return told(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}.")

    async def gone(request: Request, error: Any) -> JSONResponse:
        return told(Reason.SLOW.http, "The caller went away.")  # nobody reads this

    async def failed(request: Request, error: Exception) -> JSONResponse:
        _failures.tell(error)
        return told(Reason.INTERNAL.http, "The server failed on the request. Its log says why.")

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, failed)


def _check_type(given: str | None) -> None:
    kind = (given or "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refusal(Reason.MEDIA_TYPE, f"The content type is '{kind[:80]}'. Send {JSON}.")


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    if not (version.isascii() and version.isdecimal() and len(version) <= 18):
        raise invalid(f"Version '{version[:40]}' is not a number.")
    return int(version)
