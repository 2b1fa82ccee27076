"""The commands of `relight`, one module each: `add` describes its arguments, one function runs it.

Nothing heavy is imported at the top of these modules, so that `--help` stays quick.
"""

from __future__ import annotations

from tf_relight.cli.commands import (
    bulk,
    compare,
    contact_sheet,
    data,
    evaluate,
    image,
    light,
    methods,
    page,
    predict,
    train,
    turntable,
    video,
    weights,
)

COMMANDS = (
    train,
    evaluate,
    compare,
    image,
    bulk,
    video,
    turntable,
    contact_sheet,
    page,
    predict,
    light,
    data,
    methods,
    weights,
)
"""In the order of `relight --help`."""
