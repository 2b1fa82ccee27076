"""A load test on loopback: `python -m export.serving.load_test DIR [--protocol grpc] [--requests 2000]`.

It starts this package's server on the models in DIR, asks every picture once alone, and then has several
clients ask all together. Every answer is compared with what the same picture got alone, so that an answer
that went to another caller shows. Among the requests are files that are cut off: their header is fine, so
they fail inside a batch, and must fail alone. With --hostile, callers that send one byte a second and
pictures that decompress to gigabytes come on top. At the end the server is told to stop while requests run.
It adds a row to benchmarks/results/serving.jsonl.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from export.serving.client import Client, Refused
from export.serving.hostile import Hostile
from export.serving.spawned import Spawned, spawned
from tf_relight.errors import RelightError
from tf_relight.terminal import complain, say_lines

SIGNATURE = "relight_jpeg"
REFUSED_CODES = ("400", "INVALID_ARGUMENT")
ROUNDING = 2  # levels of 255; sums in another order round otherwise
_MIB = 2**20


@dataclass
class Tally:
    """What came back.

    Attributes:
        seconds: of each good answer. outcomes: counts by what happened. problems: the first few, in words.
    """

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def problem(self, kind: str, words: str) -> None:
        """Count something that must not happen."""
        self.outcomes[kind] += 1
        if len(self.problems) < 5:
            self.problems.append(f"{kind}: {words}")


@dataclass(frozen=True, eq=False)
class Question:
    """A request and the answer it got alone."""

    picture: bytes
    light: np.ndarray | None
    answer: bytes = b""

    def ask(self, client: Client) -> bytes:
        """Return the server's answer."""
        return client.relight(self.picture, light=self.light, signature=SIGNATURE)


def make_questions(count: int, side: int, with_light: bool) -> list[Question]:
    """Return requests with JPEG pictures of which no two agree in size, content and light.

    Args:
        side: of the smallest picture, in pixels.
    """
    return [_question(number, side, with_light) for number in range(count)]


def _question(number: int, side: int, with_light: bool) -> Question:
    import cv2

    numbers = np.random.default_rng(number)
    coarse = numbers.integers(30, 226, (8, 8, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (side + 8 * number, side), interpolation=cv2.INTER_CUBIC)
    content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    light = np.array([0.7, 0, 0.1, 0, 0, 0, 0, 0, 0], np.float32)
    light[1:4] += numbers.uniform(-0.3, 0.3, 3).astype(np.float32)
    return Question(content, light if with_light else None)


def same_picture(one: bytes, other: bytes) -> bool:
    """Whether two files show the same pixels up to rounding."""
    import cv2

    if one == other:
        return True
    first, second = (
        cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_UNCHANGED) for each in (one, other)
    )
    if first is None or second is None or first.shape != second.shape:
        return False
    return bool(np.abs(first.astype(int) - second).max() <= ROUNDING)


def hammer(
    clients: list[Client], questions: list[Question], requests: int, bad_every: int, tally: Tally
) -> float:
    """Have every client ask in a thread of its own until `requests` were asked; return the seconds.

    Args:
        bad_every: every so many requests the picture is cut off; 0 leaves such requests out.
    """
    numbers = itertools.count()
    lock = threading.Lock()

    def work(client: Client) -> None:
        while True:
            with lock:
                number = next(numbers)
            if number >= requests:
                return
            question = questions[number % len(questions)]
            if bad_every and number % bad_every == bad_every - 1:
                _ask_bad(client, question, tally)
            else:
                _ask_good(client, question, tally)

    start = time.perf_counter()
    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def _ask_good(client: Client, question: Question, tally: Tally) -> None:
    start = time.perf_counter()
    try:
        found = question.ask(client)
    except Refused as error:
        tally.problem("lost", str(error))
        return
    tally.seconds.append(time.perf_counter() - start)
    if same_picture(found, question.answer):
        tally.outcomes["identical" if found == question.answer else "equal up to rounding"] += 1
    else:
        tally.problem("crossed", f"{len(found)} bytes where {len(question.answer)} were expected")


def _ask_bad(client: Client, question: Question, tally: Tally) -> None:
    cut = Question(question.picture[: len(question.picture) // 2], question.light)
    try:
        cut.ask(client)
    except Refused as error:
        if error.code in REFUSED_CODES:
            tally.outcomes["bad refused"] += 1
        else:
            tally.problem("bad refused wrongly", str(error))
    else:
        tally.problem("bad accepted", "a picture that is cut off got an answer")


class MemoryWatch:
    """Notes the server's resident memory, in MiB, against the number of answers.

    Args:
        pid: of the server. tally: tells how many answers came so far.
    """

    def __init__(self, pid: int, tally: Tally) -> None:
        self.samples: list[tuple[int, float]] = []
        self._status, self._tally = Path(f"/proc/{pid}/statm"), tally
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> MemoryWatch:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.25):
            self._sample()

    def _sample(self) -> None:
        pages = int(self._status.read_text().split()[1])
        self.samples.append((self._tally.outcomes.total(), pages * resource.getpagesize() / _MIB))

    def summary(self) -> dict[str, float | None]:
        """Return the first and highest value, the medians of two quarters, and the growth between them.

        A median is None where the quarter was over before a sample was taken.
        """
        total = self._tally.outcomes.total()

        def middle(first: float, last: float) -> float | None:
            values = [size for count, size in self.samples if first * total < count <= last * total]
            return round(statistics.median(values), 1) if values else None

        early, late = middle(0.25, 0.5), middle(0.75, 1)
        return {
            "start_mib": round(self.samples[0][1], 1),
            "second_quarter_mib": early,
            "last_quarter_mib": late,
            "peak_mib": round(max(size for _, size in self.samples), 1),
            "growth_mib": None if early is None or late is None else round(late - early, 1),
        }


def drained(server: Spawned, clients: list[Client], questions: list[Question]) -> dict[str, Any]:
    """Stop the server while every client waits for an answer; return how many got theirs."""
    tally = Tally()
    threads = [
        threading.Thread(target=_ask_good, args=(client, question, tally))
        for client, question in zip(clients, itertools.cycle(questions), strict=False)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)  # only what has arrived can be finished
    code = server.stop()
    for thread in threads:
        thread.join()
    good = tally.outcomes["identical"] + tally.outcomes["equal up to rounding"]
    return {"asked": len(threads), "answered": good, "exit_code": code, "problems": tally.problems}


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the whole test and return the row."""
    tally = Tally()
    arguments = [] if options.threads is None else ["--threads", str(options.threads)]
    arguments += ["--workers", str(options.workers), "--max-batch", str(options.max_batch)]
    arguments += ["--read-timeout", "10"]
    with spawned(folder, *arguments) as server:
        model = options.model or _only_model(folder)
        address = server.grpc if options.protocol == "grpc" else server.http
        clients = [Client(address, model, timeout=120) for _ in range(options.clients)]
        signature = clients[0].signatures().get(SIGNATURE)
        if signature is None:
            raise RelightError(f"Model {model} has no signature {SIGNATURE}. Export it again.")
        questions, alone = [], []
        for question in make_questions(options.pictures, options.side, "light" in signature["inputs"]):
            start = time.perf_counter()
            answer = question.ask(clients[0])
            alone.append(time.perf_counter() - start)
            questions.append(Question(question.picture, question.light, answer))
        hostile = Hostile(server.http, model, questions[0].light) if options.hostile else None
        with MemoryWatch(server.process.pid, tally) as memory:
            if hostile:
                hostile.start()
            seconds = hammer(clients, questions, options.requests, options.bad_every, tally)
            hostility = hostile.stop() if hostile else {}
        row = {
            "model": model,
            **{
                name: getattr(options, name)
                for name in ("protocol", "clients", "requests", "workers", "max_batch")
            },
            "side": options.side,
            "alone_ms": {"p50": _percentile(alone, 50), "p95": _percentile(alone, 95)},
            "together_ms": {"p50": _percentile(tally.seconds, 50), "p95": _percentile(tally.seconds, 95)},
            "requests_per_s": round(tally.outcomes.total() / seconds, 1),
            "outcomes": dict(sorted(tally.outcomes.items())),
            "memory": memory.summary(),
            **({"hostile": hostility} if hostile else {}),
            "shutdown": drained(server, clients, questions),
            "problems": tally.problems,
        }
        for client in clients:
            client.close()
    return row


def failed(row: dict[str, Any]) -> bool:
    """Whether anything in a row must not happen; speed and memory are for people to judge."""
    shutdown, hostility = row["shutdown"], row.get("hostile", {})
    return bool(
        row["problems"]
        or shutdown["answered"] != shutdown["asked"]
        or shutdown["exit_code"] != 0
        or hostility.get("problems")
    )


def _only_model(folder: Path) -> str:
    from export.serving.model import find_models

    found = find_models(folder)
    if len(found) > 1:
        raise RelightError(f"{folder} holds several models. Give --model, one of {', '.join(found)}.")
    return next(iter(found))


def _percentile(seconds: list[float], which: int) -> float | None:
    return round(float(np.percentile(seconds, which)) * 1000, 1) if seconds else None


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path, help="as for `python -m export serve`")
    parser.add_argument("--model", help="where DIR holds several")
    parser.add_argument("--protocol", choices=("http", "grpc"), default="http")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=16, help="different ones")
    parser.add_argument("--side", type=int, default=512, help="of the smallest picture, in pixels")
    parser.add_argument("--bad-every", type=int, default=50, help="one request in so many is cut off")
    parser.add_argument("--threads", type=int, help="of TensorFlow in the server")
    parser.add_argument("--workers", type=int, default=1, help="batches at the same time in the server")
    parser.add_argument("--max-batch", type=int, default=8, help="pictures in a batch of the server")
    parser.add_argument("--hostile", action="store_true", help="with slow callers and decompression bombs")
    parser.add_argument("--note", help="goes into the row")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the test, add the row and return 1 when an answer was lost, crossed or wrong."""
    from export.timing import append_row

    options = make_parser().parse_args(arguments)
    try:
        row = run(options.folder, options)
    except RelightError as error:
        complain(error, program="load_test")
        return error.exit_code
    words = sys.argv[1:] if arguments is None else arguments
    given = ["DIR", *(word for word in words if word != str(options.folder))]
    if options.note:
        row["note"] = options.note
    command = " ".join(["python -m export.serving.load_test", *given])
    say_lines(json.dumps(append_row("serving", row, command), indent=1))
    return int(failed(row))


if __name__ == "__main__":
    raise SystemExit(main())
