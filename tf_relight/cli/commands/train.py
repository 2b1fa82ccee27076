"""`relight train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.parser import add_log, add_set
from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a network from a config file",
        description="Train a network. Its folder gets the resolved config, curve, checkpoints and weights.",
        example="relight train dmshn_vidit --set data.root=VIDIT --set train.batch_size=4",
    )
    parser.set_defaults(command=train)
    parser.add_argument(
        "config", metavar="CONFIG", help="YAML file of the run, or a name from `relight configs`"
    )
    add_set(parser, "change one value of the config; repeat for more")
    parser.add_argument("--resume", action="store_true", help="continue the run from its latest checkpoint")
    add_log(parser)


def train(*, config: str, overrides: Sequence[str], resume: bool) -> int:
    """Train as a config file says; returns the exit code, as all commands do."""
    from tf_relight.config.run import load_config
    from tf_relight.config.shipped import find_config

    settings = load_config(find_config(config), overrides)
    from tf_relight.training.run import train

    weights = train(settings, resume=resume)
    say(f"Weights: {weights}")
    return 0
