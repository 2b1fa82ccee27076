"""A child process for work that may crash, hang, use its own thread settings or be weighed for memory.

The native runtimes can end their process on a damaged file or a refused GPU compile, and read thread counts
and drivers only once. A child costs about 0.3 s and loses nothing but its own answer.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError

DEFAULT_TIMEOUT = 600.0
"""Seconds after which an answer is given up."""


class ChildFailed(RelightError):
    """The child crashed, hung or met an error it did not expect; says which, with its last words."""


class Child:
    """One process that answers calls until it is closed; what it prints is held back.

    Functions must be importable by name, and keep what they need between calls in their own module.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Start it.

        Args:
            environment: variables set in the child before anything is imported there.
            timeout: seconds for each call.
        """
        context = multiprocessing.get_context("spawn")
        self._timeout = timeout
        self._pipe, theirs = context.Pipe()
        handle, name = tempfile.mkstemp(prefix="export-child-", suffix=".log")
        os.close(handle)
        self._log = Path(name)
        # daemon: it must not outlive a parent that is stopped.
        self._process = context.Process(
            target=_serve, args=(theirs, name, dict(environment or {})), daemon=True
        )
        self._process.start()
        theirs.close()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return `function(*arguments)` as computed in the child.

        Raises:
            RelightError: the function raised it.
            ChildFailed: the child crashed, took too long, or the function raised anything else.
        """
        try:
            self._pipe.send((function, arguments))
            if not self._pipe.poll(self._timeout):
                self.close()
                raise ChildFailed(f"no answer within {self._timeout:g} s")
            good, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join(5)
            code, words = self._process.exitcode, self._last_words()
            self.close()
            raise ChildFailed(f"the process ended with code {code}{words}") from error
        if good:
            return answer
        if isinstance(answer, RelightError):
            raise answer
        raise ChildFailed(f"{answer}{self._last_words()}")

    def close(self) -> None:
        """End the process; safe to call twice."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(5)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(5)
        self._log.unlink(missing_ok=True)

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        telling = [line for line in lines if "error" in line.lower()] or lines
        return f": {telling[-1].strip()[:300]}" if telling else ""


@contextlib.contextmanager
def child(environment: Mapping[str, str] | None = None, timeout: float = DEFAULT_TIMEOUT) -> Iterator[Child]:
    """Yield a `Child` and close it behind the block."""
    made = Child(environment, timeout)
    try:
        yield made
    finally:
        made.close()


def in_child(
    function: Callable[..., Any],
    *arguments: Any,
    environment: Mapping[str, str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Any:
    """Return `function(*arguments)` from a process of its own; raises as `Child.call`."""
    with child(environment, timeout) as process:
        return process.call(function, *arguments)


def peak_memory() -> float:
    """Return the largest resident size this process has had so far, in MiB.

    Raises:
        RelightError: the system does not tell.
    """
    # getrusage would also count the parent's size before the child was started.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise RelightError("The peak memory of a process can be read on Linux only.")


def _serve(pipe: Any, log: str, environment: Mapping[str, str]) -> None:
    """Answer calls until the parent is gone."""
    os.environ.update(environment)
    held = os.open(log, os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(held, stream)
    os.close(held)
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_answer(function, arguments))


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except RelightError as error:
        return False, error
    except Exception as error:
        # Foreign exception classes may not survive the way through the pipe.
        traceback.print_exc()
        return False, f"{type(error).__name__}: {error}"
