"""`relight train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.parser import add_log, add_set
from tf_relight.errors import RelightError
from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a network from a config file",
        description="Train a network. Its folder gets the resolved config, curve, checkpoints and weights. "
        "On a Ray cluster (extra `cluster`) that folder and the data lie on a disk that all machines share, "
        "and a run goes on when a machine is lost.",
        example="relight train dmshn_vidit --set data.root=VIDIT --set train.batch_size=4",
    )
    parser.set_defaults(command=train)
    parser.add_argument(
        "config", metavar="CONFIG", help="YAML file of the run, or a name from `relight configs`"
    )
    add_set(parser, "change one value of the config; repeat for more")
    parser.add_argument("--resume", action="store_true", help="continue the run from its latest checkpoint")
    parser.add_argument("--ray", metavar="ADDRESS", help="train on a Ray cluster, host:port or auto")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of the cluster that train together; without --ray they all run on this machine",
    )
    parser.add_argument(
        "--gpus", type=float, metavar="G", help="GPUs of each worker; 1 unless given, if the cluster has any"
    )
    add_log(parser)


def train(
    *,
    config: str,
    overrides: Sequence[str],
    resume: bool,
    ray: str | None,
    workers: int | None,
    gpus: float | None,
) -> int:
    """Train as a config file says; returns the exit code, as all commands do."""
    from tf_relight.config.run import load_config
    from tf_relight.config.shipped import find_config

    if ray is not None and workers is None:
        raise RelightError("Training on a cluster needs --workers N: how many processes train together.")
    if workers is not None and workers < 1:
        raise RelightError(f"{workers} workers cannot be: give at least 1.")
    if gpus is not None and gpus < 0:
        raise RelightError(f"{gpus:g} GPUs cannot be: give 0 or more.")
    if gpus is not None and workers is None:
        raise RelightError("--gpus is for the workers of a cluster: give --workers N too.")
    settings = load_config(find_config(config), overrides)
    if workers is not None:
        from tf_relight.wide.train import train_on_ray

        weights = train_on_ray(settings, address=ray, workers=workers, gpus=gpus, resume=resume)
    else:
        from tf_relight.training.run import train

        weights = train(settings, resume=resume)
    say(f"Weights: {weights}")
    return 0
