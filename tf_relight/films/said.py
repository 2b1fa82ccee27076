"""What a film file says beside its frames: which way up it stands; when, where and by whom it was made."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name"}
_OF_THE_FILE |= {"vendor_id", "rotate"}
_APPLE_PLACE = "com.apple.quicktime.location.iso6709"
CHANGED = "The light of this film was changed by tf_relight."
_LONGEST = 65_536

# Signs of a, b, c, d to EXIF's orientation: a pixel at (x, y) is shown at (a x + c y, b x + d y).
_STRAIGHT = {(1, 1): 1, (-1, 1): 2, (-1, -1): 3, (1, -1): 4}
_CROSSED = {(1, 1): 5, (1, -1): 6, (-1, -1): 7, (-1, 1): 8}


def orientation(frame: Any) -> int:
    """Return how a frame of PyAV is to be turned and mirrored, as EXIF's 1..8.

    Source: FFmpeg's libavutil/display.h. A turn by another angle counts as the nearest quarter.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 1
    content = bytes(matrix)
    if len(content) < 36:
        return 1
    a, b, _, c, d = struct.unpack("=5i", content[:20])
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        return _STRAIGHT.get((_sign(a), _sign(d)), 1)
    return _CROSSED.get((_sign(b), _sign(c)), 1)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def tags_of(container: Any) -> dict[str, str]:
    """Return the tags of a film that also hold for a copy of it, keys in small letters."""
    found: dict[str, str] = {}
    streams = [stream.metadata for stream in container.streams.video[:1]]
    for tags in (container.metadata, *({"creation_time": each.get("creation_time", "")} for each in streams)):
        for key, value in tags.items():
            key = key.lower()
            is_kept = key not in _OF_THE_FILE and not key.startswith("location-")
            if is_kept and 0 < len(value) < _LONGEST:
                found.setdefault(key, value)
    if _APPLE_PLACE in found:
        found.setdefault("location", found[_APPLE_PLACE])
    return found


def tags_for_copy(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a relit copy: those of the film, and a comment that its light was changed."""
    comment = tags.get("comment", "")
    if CHANGED not in comment:
        comment = f"{comment} {CHANGED}".strip()
    return {**tags, "comment": comment}
