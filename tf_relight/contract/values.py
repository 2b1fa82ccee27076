"""Kinds of values in settings, and the pydantic model that every Config and Recipe extends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class FrozenModel(BaseModel):
    """Base of every method's Config and Recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _refuse_bool(value: Any) -> Any:
    # Python counts True as 1, so that `steps: yes` would be a run of one step.
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


def _refuse_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("should not be empty")
    if isinstance(value, str) and not _can_be_a_name(value):
        raise ValueError("holds a character that no file name can have")
    return value


def _can_be_a_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except ValueError:  # half of a character
        return False


def _expand_home(value: Path) -> Path:
    try:
        return value.expanduser()
    except RuntimeError as error:
        raise ValueError("names a home folder that does not exist") from error


Whole = Annotated[int, BeforeValidator(_refuse_bool)]
Real = Annotated[float, BeforeValidator(_refuse_bool)]
Place = Annotated[Path, BeforeValidator(_refuse_empty), AfterValidator(_expand_home)]
Side = Annotated[Whole, Field(ge=8, le=16384)]
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
Interval = Annotated[Whole, Field(ge=1, le=10**9)]
