"""Figures for Prometheus about requests, batches and the queue."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from export.serving.refusals import Reason, Refusal

UNKNOWN = "unknown"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


@dataclass
class Labels:
    """Of one request; filled with names that exist, since callers could invent any number of others."""

    model: str = UNKNOWN
    signature: str = UNKNOWN


class Metrics:
    """The figures of one server, in a registry of its own.

    Args:
        waiting: returns the number of requests in the queue.
    """

    content_type: str

    def __init__(self, waiting: Callable[[], int]) -> None:
        import prometheus_client as prometheus

        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self._generate = prometheus.generate_latest
        self.content_type = prometheus.CONTENT_TYPE_LATEST
        self._requests = prometheus.Counter(
            "relight_requests",
            "Predictions asked for, by how they ended",
            ["protocol", "model", "signature", "status"],
            registry=self._registry,
        )
        self._seconds = prometheus.Histogram(
            "relight_request_seconds",
            "From the request's body to the answer",
            ["protocol", "model", "signature"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = prometheus.Histogram(
            "relight_batch_pictures", "Pictures of a batch", ["model"], buckets=_ROWS, registry=self._registry
        )
        self._batch_seconds = prometheus.Histogram(
            "relight_batch_seconds", "Running a batch", ["model"], buckets=_SECONDS, registry=self._registry
        )
        waiting_now = prometheus.Gauge(
            "relight_queue_requests", "Requests that wait for a batch", registry=self._registry
        )
        waiting_now.set_function(waiting)
        self._ready = prometheus.Gauge(
            "relight_ready", "1 while requests are answered", registry=self._registry
        )

    @contextlib.contextmanager
    def request(self, protocol: str) -> Iterator[Labels]:
        """Count and time one request; refusals that leave the block are counted by their reason."""
        labels, status, start = Labels(), "OK", time.perf_counter()
        try:
            yield labels
        except Refusal as refusal:
            status = refusal.reason.name
            raise
        except BaseException as error:
            status = Reason.INTERNAL.name if isinstance(error, Exception) else "CANCELLED"
            raise
        finally:
            self._requests.labels(protocol, labels.model, labels.signature, status).inc()
            seconds = time.perf_counter() - start
            self._seconds.labels(protocol, labels.model, labels.signature).observe(seconds)

    def batch(self, model: str, pictures: int, seconds: float) -> None:
        """Count a batch that was run."""
        self._batches.labels(model).observe(pictures)
        self._batch_seconds.labels(model).observe(seconds)

    def ready(self, now: bool) -> None:
        """Note whether requests are answered."""
        self._ready.set(int(now))

    def text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return self._generate(self._registry)
