"""JSON and CSV of strangers: at every reader of ours."""

import json

import pytest

from tf_relight.errors import RelightError
from tf_relight.guarded.structured import MOST_DEPTH, parse_json, read_csv, read_json

DEEP = "[" * 2000 + "]" * 2000
BAD = {
    "deep lists": DEEP,
    "deep objects": '{"a":' * 2000 + "1" + "}" * 2000,
    "deeper than anyone needs": "[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1),
    "half a character": '"\\ud800"',
    "half a character as a key": '{"\\udfff": 1}',
    "thousands of digits": "9" * 5000,
    "cut off": '{"a": ',
    "nothing": "",
    "a null byte": '"\0"',
}


@pytest.mark.parametrize("name", BAD)
def test_every_text_that_is_no_json_is_one_short_sentence(name):
    with pytest.raises(RelightError) as told:
        parse_json(BAD[name], source="The body")
    message = str(told.value)
    assert message.startswith("The body") and "\n" not in message and len(message) < 300


def test_good_json_is_read():
    content = {"a": [1, 2.5, None, True, "ü\U0001f600"], "b": {"c": []}}
    assert parse_json(json.dumps(content), source="x") == content
    assert parse_json(json.dumps(content).encode(), source="x") == content
    deepest = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    assert parse_json(deepest, source="x")


@pytest.mark.parametrize("name", BAD)
def test_every_json_file_of_ours_may_hold_anything(tmp_path, name, monkeypatch):
    from export.litert.manifest import NAME, read_manifest
    from export.saved_model.write import EXTRA, RECORD, read_record
    from tf_relight.comparing.table import read_result
    from tf_relight.rendering.scenes.write import claim_folder
    from tf_relight.training.strategy import read_cluster

    (tmp_path / NAME).write_text(BAD[name])
    with pytest.raises(RelightError, match="is damaged"):
        read_manifest(tmp_path)
    (tmp_path / EXTRA).mkdir()
    (tmp_path / EXTRA / RECORD).write_text(BAD[name])
    with pytest.raises(RelightError, match="damaged"):
        read_record(tmp_path)
    (tmp_path / "result.json").write_text(BAD[name])
    assert read_result(tmp_path, {}, None) is None  # made again
    (tmp_path / "scenes.json").write_text(BAD[name])
    with pytest.raises(RelightError, match="choose another folder"):
        claim_folder(tmp_path / "scenes.json", {}, "scenes")
    if BAD[name].strip() and "\0" not in BAD[name]:
        monkeypatch.setenv("TF_CONFIG", BAD[name])
        with pytest.raises(RelightError, match="TF_CONFIG"):
            read_cluster()


@pytest.mark.parametrize("content", ["1", "[]", '"x"', "null", '{"settings": 3}', '{"done": []}'])
def test_json_of_another_shape_is_not_believed(tmp_path, content):
    from tf_relight.comparing.table import read_result
    from tf_relight.rendering.scenes.write import claim_folder

    (tmp_path / "result.json").write_text(content)
    assert read_result(tmp_path, {}, None) is None
    (tmp_path / "scenes.json").write_text(content)
    with pytest.raises(RelightError):
        claim_folder(tmp_path / "scenes.json", {"size": 3}, "scenes")


def test_a_half_made_cache_with_a_broken_note_is_begun_anew(tmp_path):
    from tests.training.toy_problem import NoiseSource
    from tf_relight.data import cache

    class Known(NoiseSource):
        def fingerprint(self):
            return "known"

    whole = cache.cached(Known(3), tmp_path, progress=False)
    folder = next(tmp_path.iterdir())
    for note in (DEEP, "[]", '{"done": -5}', '{"done": 1e999}', '{"done": "x"}'):
        (folder / "complete.json").unlink()
        for pool in ("image", "target"):
            (folder / f"{pool}.npy").rename(folder / f"{pool}.npy.part")
        (folder / "progress.json").write_text(note)
        again = cache.cached(Known(3), tmp_path, progress=False)
        assert (again.read(2)["image"] == whole.read(2)["image"]).all()


def test_tables(tmp_path):
    how = {"what": "the table", "advice": "delete it"}
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n")
    assert read_csv(path, **how) == (["a", "b"], [{"a": "1", "b": "2"}, {"a": "3", "b": ""}])
    for content in ("a\n1,2,3\n", 'a\n"open', "a\n" + "x" * 200_000):
        path.write_text(content)
        with pytest.raises(RelightError, match="is not a table"):
            read_csv(path, **how)
    path.write_bytes(b"\xff\xfea,b")
    with pytest.raises(RelightError, match="is not text"):
        read_csv(path, **how)


def test_a_json_file_names_itself_and_what_to_do(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(RelightError, match=r"x\.json is not JSON .*: delete it\.$"):
        read_json(tmp_path / "x.json", what="the record", advice="delete it")
