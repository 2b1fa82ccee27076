"""The commands of `relight`, one module each: `add` describes its arguments, one function runs it.

Nothing heavy is imported at the top of these modules, so that `--help` stays quick.
"""

from __future__ import annotations

from tf_relight.cli.commands import (
    app,
    bulk,
    cache,
    compare,
    completion,
    configs,
    contact_sheet,
    data,
    decompose,
    doctor,
    evaluate,
    examples,
    export,
    image,
    light,
    methods,
    page,
    predict,
    serve,
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
    app,
    decompose,
    predict,
    light,
    data,
    methods,
    weights,
    configs,
    examples,
    export,
    serve,
    doctor,
    cache,
    completion,
)
"""In the order of `relight --help`."""
