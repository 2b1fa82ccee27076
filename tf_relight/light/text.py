"""Numbers out of text files as people make them: any encoding, brackets, semicolons, decimal commas."""

from __future__ import annotations

import codecs
import math
import re
from typing import NamedTuple

COUNTS = (9, 27)
"""How many numbers a light has."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16, so it is asked first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NUMPY = b"\x93NUMPY"
# What numpy.array and repr() write around numbers.
_WORDS = re.compile(r"\b(?:(?:np|numpy)\.)?(?:array|float32|float64)\b|\bdtype\s*=\s*(?:[\w.]+|'\w+')")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")


class Numbers(NamedTuple):
    """What a text holds.

    Attributes:
        values: all numbers in the order of the text.
        rows: how many numbers stand in each line, or in each innermost pair of brackets.
    """

    values: list[float]
    rows: list[int]


def decode(content: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Bytes that are none of them count as Latin-1, since only comments can hold such letters.

    Raises:
        ValueError: it is not text; the message says what it looks like, without a subject.
    """
    if content.startswith(_NUMPY):
        raise ValueError("is a NumPy array file: write the numbers as text with numpy.savetxt")
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _checked(content[len(mark) :], name)
    if b"\0" in content:
        # UTF-16 without a mark: of ASCII, every second byte is zero.
        even, odd = content[::2].count(0), content[1::2].count(0)
        return _checked(content, "utf-16-be" if even > odd else "utf-16-le")
    try:
        return _checked(content, "utf-8")
    except ValueError:
        return _checked(content, "latin-1")


def _checked(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError("is not a light file: it is not text") from error
    numbers = without_comments(text)
    if any(ord(sign) > 0xFF and sign not in "\u2212\ufeff\u2009\u202f" for sign in numbers) or re.search(
        r"[\0-\x08\x0e-\x1f\x7f-\x9f]", numbers
    ):
        raise ValueError("is not a light file: it is not text")
    return text.replace("\ufeff", "")


def without_comments(text: str) -> str:
    """Return the text without what stands behind `#` in its lines."""
    return re.sub(r"#.*", "", text)


def parse(text: str) -> Numbers:
    """Return the numbers of a text.

    Spaces, lines, commas and semicolons separate them; brackets group them. A comma is read as a decimal
    point where only that makes a light of 9 or 27 numbers.

    Raises:
        ValueError: something is no number, or commas can be read in two ways; the message has no subject.
    """
    plain = _WORDS.sub(" ", without_comments(text)).replace("\u2212", "-")
    with_points = None
    if "." not in plain or ";" in plain and not re.search(r"\d\.\d", plain):
        with_points = _numbers(_DECIMAL_COMMA.sub(".", plain))
    separated = _numbers(plain)
    if isinstance(with_points, Numbers) and with_points.values and "," in plain:
        fits, also = len(with_points.values) in COUNTS, _fits(separated)
        if fits and also and with_points != separated:
            raise ValueError("has commas that may be decimal points or not: write points, and spaces between")
        if fits:
            return with_points
    if isinstance(separated, str):
        raise ValueError(f"is not a light file: '{separated[:20]}' is not a number")
    return separated


def _fits(numbers: Numbers | str) -> bool:
    return isinstance(numbers, Numbers) and len(numbers.values) in COUNTS


def _numbers(text: str) -> Numbers | str:
    """Return the numbers, or the first word that is none."""
    values: list[float] = []
    rows: list[int] = []
    groups = re.findall(r"[\[({][^\[\](){}]*[\])}]", text)
    opened = re.sub(r"[\[\](){}]", " ", text)
    parts = groups if len(groups) > 1 else [opened] if groups else opened.splitlines()
    if len(groups) > 1 and len(_words("".join(groups))) != len(_words(opened)):
        parts = opened.splitlines()
    for part in parts:
        words = _words(part)
        for word in words:
            value = _value(word)
            if value is None:
                return word
            values.append(value)
        rows += [len(words)] if words else []
    return Numbers(values, rows)


def _words(text: str) -> list[str]:
    return re.sub(r"[\[\](){},;]", " ", text).split()


def _value(word: str) -> float | None:
    if "_" in word:  # Python takes 1_000
        return None
    try:
        return float(word)
    except ValueError:
        return None


def are_finite(values: list[float]) -> bool:
    """Whether no value is infinite or NaN."""
    return all(map(math.isfinite, values))
