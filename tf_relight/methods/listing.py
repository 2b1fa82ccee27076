"""Finding methods by what they can do."""

from __future__ import annotations

import fnmatch

from tf_relight import methods
from tf_relight.errors import RelightError


def list_models(
    filter: str = "*",
    *,
    task: str | None = None,
    takes_light: bool | None = None,
    pretrained: bool = False,
    output: str | None = None,
) -> list[str]:
    """Return the names of methods, in the order of the table.

    Args:
        filter: a pattern of names, such as "dpr*"; capitals do not matter.
        task: words that the card's task holds, such as "portrait".
        takes_light: only methods that take a light, or only those whose light is fixed.
        pretrained: only methods with weights that ship.
        output: only methods that give this output, such as "relit" or "normal".

    Raises:
        RelightError: an empty pattern.

    Example:
        >>> list_models("dpr*")
        ['dpr512', 'dpr1024']
        >>> list_models(pretrained=True, takes_light=False)
        ['dmshn']
    """
    if not filter.strip():
        raise RelightError('The filter is empty: give a pattern such as "dpr*", or leave it out.')
    found = []
    for name in methods.names():
        info = methods.get(name).info
        fits = (
            fnmatch.fnmatchcase(name.lower(), filter.lower()),
            task is None or task.lower() in info.task.lower(),
            takes_light is None or info.takes_light is takes_light,
            not pretrained or info.default_weights is not None,
            output is None or info.output(output) is not None,
        )
        if all(fits):
            found.append(name)
    return found
