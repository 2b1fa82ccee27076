"""HTTP connections that do not wait for ever, which uvicorn's own do for headers and for answers unread."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientConnection(H11Protocol):
    """One HTTP connection with limits of time.

    It is cut when for `patience` seconds no request's headers come in full, after it was opened or after an
    answer, or when the caller takes nothing of an answer. The body's limit is `http_app.Bodies`'.
    """

    patience: float
    _timer: asyncio.TimerHandle | None = None
    _answered: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._be_patient()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not self._answered and not self.flow.write_paused:
            self._stop_timer()  # the headers of a request are complete

    def on_response_complete(self) -> None:
        self._answered = self.cycle
        super().on_response_complete()
        # The call above may have begun with a request that came ahead of time.
        if self.cycle is self._answered:
            self._be_patient()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._be_patient()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle is not self._answered:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _be_patient(self) -> None:
        """Cut the connection after a while, unless the caller took some of what waits to be sent by then."""
        self._stop_timer()
        unsent = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < unsent:
                self._be_patient()
            else:
                self.transport.abort()

        self._timer = self.loop.call_later(self.patience, look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def patient_for(seconds: float) -> type[asyncio.Protocol]:
    """Return the class of connections whose patience is `seconds`."""
    return type("Connection", (PatientConnection,), {"patience": seconds})
