"""YAML that multiplies, is too deep, too long or odd: one short sentence, at once."""

import time

import pytest

from tf_relight.comparing.config import load_table
from tf_relight.config.run import load_config
from tf_relight.errors import RelightError
from tf_relight.films.light_path import read_light_path
from tf_relight.guarded.yaml_text import MOST_DEPTH, parse_yaml

LETTERS = "abcdefghijkl"


def multiplied(levels: int, width: int) -> str:
    lines = [f"a: &a [{', '.join(['x'] * width)}]"]
    lines += [
        f"{here}: &{here} [{', '.join([f'*{before}'] * width)}]"
        for before, here in zip(LETTERS, LETTERS[1:levels], strict=False)
    ]
    return "\n".join(lines) + "\n"


def merged(levels: int, width: int) -> str:
    lines = ["a: &a {x: 1, y: 2, z: 3}"]
    lines += [
        f"{here}: &{here} {{<<: [{', '.join([f'*{before}'] * width)}]}}"
        for before, here in zip(LETTERS, LETTERS[1:levels], strict=False)
    ]
    return "\n".join(lines) + "\n"


HOSTILE = {
    "aliases": multiplied(9, 9),
    "merge keys": merged(9, 9),
    "many merge keys": merged(12, 5),
    "itself": "a: &a [*a]\n",
    "itself in a mapping": "a: &a {b: {c: *a}}\n",
    "itself by a merge key": "a: &a {<<: *a}\n",
    "deep flow": "a: " + "[" * 5000 + "]" * 5000,
    "deep blocks": "".join(f"{' ' * n}k:\n" for n in range(500)),
    "deep lists": "- " * 3000,
    "many entries": "a: [" + "1, " * 60_000 + "]",
    "many keys": "".join(f"k{n}: 1\n" for n in range(20_000)),
    "many repeated keys": "k: 1\n" * 9_000,
    "too long": "x" * 300_000,
    "empty hexadecimal": "steps: 0x\n",
    "hexadecimal of thousands of digits": "steps: 0x" + "f" * 5000 + "\n",
    "5000 digits": "steps: " + "9" * 5000 + "\n",
    "sixties": "steps: " + "1:" * 50_000 + "1\n",
    "a float of sixties": "steps: " + "1:" * 50_000 + "1.5\n",
    "a date that is none": "steps: 2024-13-45\n",
    "a tag of numbers": "steps: !!int abc\n",
    "an empty number": "steps: !!int ''\n",
    "a tag of truth": "steps: !!bool perhaps\n",
    "a tag of dates": "steps: !!timestamp soon\n",
    "binary": "steps: !!binary '*'\n",
    "sets and pairs": "steps: !!omap [1, 2]\n",
    "a list as a key": "? [a, b]\n: 1\n",
    "a mapping as a key": "{{a: 1}: 2}",
    "an unknown anchor": "a: *nothing\n",
    "a control character": "a: \x07\n",
    "half a character": 'a: "\\ud800"\noutput: "\\udfff"\n',
    "a null byte in a path": 'method: dmshn\ntrain: {steps: 1}\noutput: "a\\0b"\n',
    "python": "a: !!python/object/apply:os.system ['true']\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "long names": f"{'n' * 90_000}: 1\nmethod: {'m' * 90_000}\n",
    "long values": f"method: dmshn\ntrain: {{steps: {'z' * 90_000}}}\n",
    "an infinite step": "method: dmshn\ntrain: {steps: .inf}\n",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reader", [load_config, load_table, read_light_path], ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_in_a_short_time_and_a_short_message(tmp_path, reader, name):
    path = tmp_path / "hostile.yaml"
    path.write_bytes(HOSTILE[name].encode("utf-8", errors="surrogatepass"))
    start = time.process_time()
    with pytest.raises(RelightError) as told:
        reader(path)
    # Seconds, where 9 levels of merge keys took 40; PyYAML takes one for 10,000 entries.
    assert time.process_time() - start < 12
    assert len(str(told.value)) < 20_000
    assert all(len(line) < 1000 for line in str(told.value).splitlines())


def test_aliases_and_merge_keys_still_serve():
    text = "base: &base {steps: 3, rate: 1e-4}\nrun: {<<: *base, rate: 2e-4}\nsame: *base\n"
    values, problems = parse_yaml(text)
    assert values["run"] == {"steps": 3, "rate": 2e-4} and values["same"] == values["base"] and not problems


def test_depth_is_counted_exactly():
    assert parse_yaml("[" * (MOST_DEPTH - 1) + "1" + "]" * (MOST_DEPTH - 1))
    with pytest.raises(RelightError, match="nested too deeply"):
        parse_yaml("[" * MOST_DEPTH + "1" + "]" * MOST_DEPTH)


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "a=" + "9" * 5000, "train.steps=0x", "train.steps=" + "[" * 9999]
)
def test_overrides_are_cut_too(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text("method: dmshn\ntrain: {steps: 1}\n")
    with pytest.raises(RelightError) as told:
        load_config(path, [text])
    assert len(str(told.value)) < 1500
