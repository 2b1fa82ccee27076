"""`python -m tf_relight.train CONFIG [--set a.b=c] [--resume]`: the same as `relight train`."""

from __future__ import annotations

import sys

from tf_relight.cli.main import main as command


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; `arguments` default to those of the process."""
    return command(["train", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    raise SystemExit(main())
