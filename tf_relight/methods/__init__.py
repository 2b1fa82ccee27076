"""The table of methods and how to get one.

Adding a method: write `methods/<family>/__init__.py` and `networks.py` against the room `contract`, then add
a line to METHODS. The contract test, the command line, the trainer and the README's zoo read this table.
"""

from __future__ import annotations

from tf_relight.errors import RelightError, suggest
from tf_relight.methods.method import Method

METHODS: dict[str, str] = {
    "dmshn": "tf_relight.methods.dmshn",
    "stacked_dmshn": "tf_relight.methods.dmshn",
    "dpr512": "tf_relight.methods.dpr",
    "dpr1024": "tf_relight.methods.dpr",
    "drn": "tf_relight.methods.drn",
    "bpae": "tf_relight.methods.drn",
    "pix2pix": "tf_relight.methods.pix2pix",
    "shadadv": "tf_relight.methods.pix2pix",
    "unet": "tf_relight.methods.unet",
    "retinexnet": "tf_relight.methods.retinexnet",
    "srn": "tf_relight.methods.srn",
    "dense_gridnet": "tf_relight.methods.dense_gridnet",
    "lit_unet": "tf_relight.methods.lit_unet",
    "sfsnet": "tf_relight.methods.sfsnet",
    "skipnet": "tf_relight.methods.sfsnet",
    "siamese": "tf_relight.methods.siamese",
    **{f"sfsnet_residue_{number}": "tf_relight.methods.sfsnet_residue" for number in range(1, 8)},
}


def names() -> list[str]:
    """Return the names of all methods, in the order of the table."""
    return list(METHODS)


def get(name: str) -> Method:
    """Return the method called `name`.

    Raises:
        RelightError: there is no such method.
    """
    if name not in METHODS:
        raise RelightError(f"Unknown method '{name}'.{suggest(name, METHODS)} Known: {', '.join(METHODS)}.")
    return Method(name=name, module_name=METHODS[name])
