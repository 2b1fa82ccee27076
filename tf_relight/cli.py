"""The `relight` command: it parses and makes one call into `commands`, which imports what the task needs."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from tf_relight import __version__
from tf_relight.errors import RelightError, suggest
from tf_relight.quiet import quiet_tensorflow

STOPPED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as in a shell."""
READER_GONE = 141
"""Exit code when the reader of a pipe has left, for example `relight methods | head`: 128 + SIGPIPE."""


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser with examples kept as written and a hint for mistyped words."""

    def __init__(self, *, example: str = "", **options: Any) -> None:
        epilog = f"example:\n  {example}" if example else None
        super().__init__(
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )
        self.set_defaults(parser=self)
        self._given: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember the words for a hint if something is missing among them."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message with a hint, and exit with code 2."""
        wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong:
            message += "." + suggest(wrong[1], re.findall(r"[\w.-]+", wrong[2]))
        elif "required" in message:
            message += "." + next(filter(None, map(self._hint, self._given)), "")
        super().error(message)

    def refuse_extra(self, extra: Sequence[str]) -> NoReturn:
        """End because of arguments nobody asked for."""
        self.error(f"unrecognized arguments: {' '.join(extra)}.{self._hint(extra[0])}")

    def _hint(self, word: str) -> str:
        option, known = word.partition("=")[0], self._option_string_actions
        return suggest(option, known) if option.startswith("--") and option not in known else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `relight` command and return its exit code; `arguments` default to those of the process."""
    quiet_tensorflow()
    _show_warnings()
    options, extra = _make_parser().parse_known_args(arguments)
    values = vars(options)
    parser: _Parser = values.pop("parser")
    command: str | None = values.pop("command", None)
    if extra:
        parser.refuse_extra(extra)
    if command is None:
        parser.print_help()
        return 0
    try:
        from tf_relight import commands

        code: int = getattr(commands, command)(**values)
        sys.stdout.flush()
        return code
    except RelightError as error:
        print(f"relight: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("relight: stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        _silence_stdout()
        return READER_GONE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"relight: error: {place}{error.strerror or error}.", file=sys.stderr)
        _silence_stdout()
        return RelightError.exit_code


def _silence_stdout() -> None:
    """Give what is left in the buffer another target: Python would complain when it flushes on exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warnings() -> None:
    """Print the package's warnings as one line each."""
    logger = logging.getLogger("tf_relight")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("relight: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="relight",
        description="Train, evaluate and use image relighting networks.",
        example="relight image photo.jpg -o relit/ --method dmshn",
    )
    parser.add_argument("--version", action="version", version=f"relight {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_image(commands)
    _add_data(commands)
    methods = commands.add_parser(
        "methods",
        help="list the methods",
        description="List the methods with their task, size and paper.",
        example="relight methods",
    )
    methods.set_defaults(command="methods")
    _add_weights(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train a network from a config file",
        description="Train a network. Its folder gets the resolved config, curve, checkpoints and weights.",
        example="relight train configs/dmshn_vidit.yaml --set data.root=VIDIT --set train.batch_size=4",
    )
    train.set_defaults(command="train")
    train.add_argument("config", metavar="CONFIG", help="YAML file of the run, see configs/")
    _add_set(train, "change one value of the config; repeat for more")
    train.add_argument("--resume", action="store_true", help="continue the run from its latest checkpoint")


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="score weights on a dataset, or two folders of pictures",
        description="Score weights on a dataset, or two folders of pictures with equal names. Each run is "
        "one row of metrics.csv and metrics.md. Without --data, the data of the training is used.",
        example="relight evaluate --weights runs/dmshn_vidit/weights.safetensors --data vidit --root VIDIT\n"
        "  relight evaluate --folders results/ targets/",
    )
    evaluate.set_defaults(command="evaluate")
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    what.add_argument("--folders", nargs=2, metavar=("RESULTS", "TARGETS"), help="two folders of pictures")
    evaluate.add_argument("--method", help="fail if the weights are for another method")
    evaluate.add_argument("--data", metavar="NAME", help="vidit, folder, scenes or shards")
    evaluate.add_argument("--root", metavar="DIR", help="folder of the data")
    evaluate.add_argument("--split", choices=("train", "validation"), default="validation")
    evaluate.add_argument("--size", type=int, help="side that pictures are resized to before scoring")
    _add_set(evaluate, "any other value of the config's data section, for example data.target_light=E_4500")
    evaluate.add_argument("--baselines", action="store_true", help="also score the three simple baselines")
    evaluate.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    evaluate.add_argument("--run", metavar="NAME", help="name of the row")
    evaluate.add_argument(
        "-o", "--out", metavar="DIR", default="runs/evaluation", help="default: %(default)s"
    )


def _add_image(commands: Any) -> None:
    image = commands.add_parser(
        "image",
        help="relight photos",
        description="Relight photos or folders of photos, at their full size.",
        example="relight image photo.jpg holiday/ -o relit/ --method dmshn --strength 0.7",
    )
    image.set_defaults(command="image")
    image.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    image.add_argument("-o", "--out", metavar="OUT", required=True, help="folder, or file for one photo")
    image.add_argument("--method", help="a name from `relight methods`; its own weights are used")
    image.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    image.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 = unchanged, 1 = full")
    image.add_argument("--size", type=int, help="side at which the network looks at the photo")


def _add_data(commands: Any) -> None:
    data = commands.add_parser(
        "data",
        help="render scenes, check a folder",
        description="Make and check training data.",
        example="relight data check VIDIT",
    )
    tasks = data.add_subparsers(title="tasks", metavar="TASK", required=True)
    render = tasks.add_parser("render", help="render data", description="Render training data.")
    kinds = render.add_subparsers(title="kinds", metavar="KIND", required=True)
    scenes = kinds.add_parser(
        "scenes",
        help="scenes under the forty lights of VIDIT",
        description="Render scenes under the forty lights of VIDIT. Run it again to go on after a stop.",
        example="relight data render scenes --out scenes --scenes 300 --size 512 --workers 2",
    )
    scenes.set_defaults(command="render_scenes")
    scenes.add_argument("-o", "--out", metavar="DIR", required=True)
    scenes.add_argument("--scenes", type=int, default=300, help="default: %(default)s")
    scenes.add_argument("--validation-scenes", type=int, default=0, help="default: %(default)s")
    scenes.add_argument("--size", type=int, default=512, help="pixels per side, default: %(default)s")
    scenes.add_argument("--layout", choices=("vidit", "one2one", "tfrecord"), default="vidit")
    scenes.add_argument("--workers", type=int, default=1, help="processes, default: %(default)s")
    scenes.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    scenes.add_argument("--first", type=int, default=0, help="number of the first scene")
    scenes.add_argument("--antialias", type=int, default=1, metavar="N", help="N x N rays per pixel")
    scenes.add_argument("--input-light", default="N_6500", help="for one2one, default: %(default)s")
    scenes.add_argument("--target-light", default="E_4500", help="for one2one, default: %(default)s")
    scenes.add_argument(
        "--ground-truth",
        action="store_true",
        help="also write albedo, normals, depth in metres, the light of each direction and its shadows, "
        "and the shadow-free picture, as DIR/ground_truth/SPLIT/Image000.npz",
    )
    check = tasks.add_parser(
        "check",
        help="say what a data folder holds and what is missing",
        description="Say what a data folder holds, what is missing and what is broken.",
        example="relight data check VIDIT",
    )
    check.set_defaults(command="check_data")
    check.add_argument("root", metavar="DIR")
    check.add_argument("--decode", action="store_true", help="decode every picture (slow)")


def _add_weights(commands: Any) -> None:
    weights = commands.add_parser(
        "weights",
        help="list, fetch and show weights",
        description="List the known weights; fetch, locate or show some.",
        example="relight weights fetch lpips-alex-v0.1",
    )
    weights.set_defaults(command="list_weights")
    tasks = weights.add_subparsers(title="tasks", metavar="TASK")
    for name, text, example in (
        ("list", "list the known weights, their licence and whether they are here", "relight weights list"),
        ("fetch", "download weights and check their sha256", "relight weights fetch vgg16-torchvision"),
        ("path", "print where a weights file is", "relight weights path dmshn-scenes-256-v1"),
        ("show", "say what made a weights file", "relight weights show runs/dmshn_vidit/weights.safetensors"),
        (
            "release",
            "write a float16 copy for passing on, with its scores inside",
            "relight weights release runs/x/weights.safetensors -o x-v1.safetensors --scores runs/evaluation",
        ),
    ):
        task = tasks.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", example=example)
        task.set_defaults(command=f"{name}_weights")
        if name == "fetch":
            task.add_argument("names", nargs="+", metavar="NAME")
        elif name == "path":
            task.add_argument("name", metavar="NAME")
        elif name in ("show", "release"):
            task.add_argument("weights", metavar="W", help="weights file, or a name from the list")
        if name == "release":
            task.add_argument("-o", "--out", required=True, metavar="FILE")
            task.add_argument(
                "--scores", metavar="DIR", help="folder of an evaluation whose table goes along"
            )


def _add_set(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE", help=text
    )


if __name__ == "__main__":
    raise SystemExit(main())
