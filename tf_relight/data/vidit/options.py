"""Options of data whose lights have the names of VIDIT."""

from __future__ import annotations

from typing import Literal

from tf_relight.data.options import DataConfig


class PairedOptions(DataConfig):
    """What all data under VIDIT's forty lights share.

    Attributes:
        pairing: which lights are paired: one fixed pair, any input light to one target light, or any to any.
        input_light, target_light: VIDIT names such as "N_6500": direction and colour temperature in kelvin.
        mirror: adds pictures flipped left to right, with the light's direction flipped too.
        depth: also gives depth maps; switched on where they are needed.
    """

    pairing: Literal["one_to_one", "any_to_one", "any_to_any"] = "one_to_one"
    input_light: str = "N_6500"
    target_light: str = "E_4500"
    mirror: bool = False
    depth: bool = False


class Options(PairedOptions):
    """Options of VIDIT itself.

    Attributes:
        track: challenge that the folder comes from; "auto" reads it off the file names.
        shadow_free: also gives each scene without its shadows, after `relight data fuse`; switched on where
            it is needed.
    """

    track: Literal["auto", "aim_1", "aim_2", "aim_3", "ntire_1", "ntire_2"] = "auto"
    shadow_free: bool = False
