"""Reading a run's config: every mistake at once, by dotted path, with a hint."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tf_relight.config.run import RunConfig, TrainConfig, dump_config, load_config, make_data_config
from tf_relight.data.options import DataConfig
from tf_relight.errors import RelightError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
MINIMAL = "method: dmshn\ntrain: {steps: 10}\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "brighten.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes(path: Path | str, *overrides: str) -> list[str]:
    """The lines of the error below its heading, or the heading itself if it stands alone."""
    with pytest.raises(RelightError) as caught:
        load_config(path, overrides)
    lines = str(caught.value).split("\n  ")
    return lines[1:] or lines


def test_defaults_and_the_run_folder_named_after_the_file(write):
    config = load_config(write(MINIMAL))
    assert config == RunConfig(
        method="dmshn",
        data=DataConfig(),
        train=TrainConfig(steps=10),
        output=Path("runs/brighten"),
    )
    assert config.data.input_light == "N_6500"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_of_the_repository_are_valid_and_short(path):
    config = load_config(path, ["data.root=VIDIT"])
    assert config.output.parts[0] == "runs"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#") and "\n# python -m tf_relight" in text, "the first lines say how to run it"
    assert len(text.splitlines()) <= 60


def test_there_are_configs():
    assert CONFIGS


def test_overrides_are_read_as_yaml(write):
    config = load_config(
        write(MINIMAL),
        [
            "train.batch_size=4",
            "train.devices=[CPU:0, CPU:1]",
            "data.root=some dir",
            "model.width=8",
            "train.clip_norm=null",
            "recipe.learning_rate=1e-4",
            "output=~/here",
            "train.steps=1",
            "train.steps=2e3",
        ],
    )
    assert config.train.batch_size == 4
    assert config.train.devices == ["CPU:0", "CPU:1"]
    assert config.data.root == Path("some dir")
    assert config.model == {"width": 8}
    assert config.train.clip_norm is None
    assert config.recipe == {"learning_rate": 1e-4}
    assert config.output == Path.home() / "here"
    assert config.train.steps == 2000, "the last of two wins"


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "'1e-4'", "0.0001"])
def test_every_way_to_write_a_small_number(write, text):
    config = load_config(write(f"{MINIMAL}recipe: {{learning_rate: {text}}}\n"))
    from tf_relight import methods

    assert methods.get("dmshn").recipe(config.recipe).learning_rate == 1e-4


def test_a_section_with_all_its_lines_commented_out_is_empty(write):
    assert load_config(write(f"{MINIMAL}data:\n  # size: 3\nmodel:\n")).data == DataConfig()


def test_all_mistakes_at_once(write):
    text = """
method: dmshn
steps: 3
trian: {steps: 4}
model: {widht: 3, width: 1}
recipe: {loss: clx, l1: .nan}
data: {nam: 3, input_light: NW_450, size: yes, root: ""}
train: {steps: 10, steps: -1, batch_size: two, precision: mixed_bfloat, ema: .inf, crop: 3}
"""
    found = mistakes(write(text), "train.log_every=0", "nothing")
    expected = [
        "line 8: the key 'steps' was already given in line 8.",
        "--set nothing: write it as section.key=value",
        "steps: unknown key. Did you mean 'train.steps'?",
        "trian: unknown key. Did you mean 'train'?",
        "model.widht: unknown key. Did you mean 'model.width'?",
        "model.width = 1: should be greater than or equal to 2.",
        "recipe.loss = 'clx': should be 'cl', 'mse' or 'csl'. Did you mean 'cl'?",
        "recipe.l1 = nan: should be a finite number.",
        "data.nam: unknown key. Did you mean 'data.name'?",
        "data.input_light = 'NW_450': 'NW_450' is no VIDIT light. Did you mean 'NW_4500'?",
        "data.size = True: should be a number, not true or false.",
        "data.root = '': should not be empty.",
        "train.steps = -1: should be greater than or equal to 1.",
        "train.batch_size = 'two': should be a whole number.",
        "train.precision = 'mixed_bfloat': should be 'auto', 'float32' or 'mixed_bfloat16'. Did you mean",
        "train.ema = inf: should be a finite number.",
        "train.crop: unknown key. Did you mean 'data.crop'?",
        "train.log_every = 0: should be greater than or equal to 1.",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in found), f"{start}\nnot in\n" + "\n".join(found)
    assert len(found) == len(expected)


def test_unknown_method_does_not_hide_other_mistakes(write):
    found = mistakes(write("method: dmshm\nmodel: {width: 1}\ntrain: {stps: 3}\n"))
    assert found[0].startswith("method = 'dmshm': is not a method. Did you mean 'dmshn'? Known: dmshn")
    assert found[1:] == [
        "train.steps is missing: it has no default.",
        "train.stps: unknown key. Did you mean 'train.steps'?",
    ]


@pytest.mark.parametrize(
    "text,sentence",
    [
        ("data: {size: 64, crop: 128}", "data: crop 128 is larger than size 64."),
        ("data: {name: vidt}", "data.name = 'vidt': is not a dataset. Did you mean 'vidit'?"),
        ("data: 3", "data = 3: should be a section of keys and values."),
        ("model: [1]", "model = [1]: should be a section of keys and values."),
        ("data: {seed: 99999999999}", "data.seed = 99999999999: should be less than 2147483648."),
        ("data: {seed: 1.5}", "data.seed = 1.5: should be a whole number."),
        ("output: 2024", "output = 2024: should be a path (put it in quotes)."),
        ("output: ~nobody-of-that-name/x", "output = '~nobody-of-that-name/x': names a home folder"),
        ("3: 4", "line 3: the key '3' should be a word (put it in quotes)."),
    ],
)
def test_single_mistakes(write, text, sentence):
    (found,) = mistakes(write(f"{MINIMAL}{text}\n"))
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    "override,sentence",
    [
        ("train.steps", "write it as section.key=value"),
        ("=3", "write it as section.key=value"),
        ("train..steps=3", "write it as section.key=value"),
        ("train.steps.x=3", "train.steps is a value, not a section."),
        ("train.devices=[", "the value is not YAML"),
        ("data={size: 8, size: 9}", "already given"),
    ],
)
def test_overrides_that_cannot_be_applied(write, override, sentence):
    (found,) = mistakes(write(MINIMAL), override)
    assert found.startswith(f"--set {override}:") and sentence in found


def test_override_of_an_unknown_section_suggests_the_nearest(write):
    assert mistakes(write(MINIMAL), "trian.batch_size=4") == ["trian: unknown key. Did you mean 'train'?"]


def test_batch_must_divide_by_its_pieces(write):
    (found,) = mistakes(write(MINIMAL), "train.batch_size=3", "train.accumulate=2")
    assert found == "train.batch_size 3 is not a multiple of train.accumulate 2."


@pytest.mark.parametrize(
    "content,words",
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "lines of 'key: value'"),
        (b"just words", "lines of 'key: value'"),
        (b"method: [dmshn", "is not YAML: line 1"),
        (b"a: b: c", "is not YAML: line 1"),
        (b"\xff\xfe\x00\x01", "is not text"),
        (b"a: \x00", "is not YAML"),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
        (b"[" * 100_000, "is not YAML: line 1: it is nested too deeply"),
        (b"x" * (2 << 20), "too large"),
        (b"a: " + b"9" * 10_000, "is not YAML"),
    ],
)
def test_files_that_are_no_config(tmp_path, content, words):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(RelightError, match=re.escape(words)):
        load_config(path)


def test_missing_file_folder_and_unreadable_file(tmp_path, write):
    with pytest.raises(RelightError, match="No such file"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(RelightError, match="is a folder"):
        load_config(tmp_path)
    path = write(MINIMAL)
    path.chmod(0)
    if not os.access(path, os.R_OK):  # root may read everything
        with pytest.raises(RelightError, match="Permission denied"):
            load_config(path)


def test_saved_config_is_complete_and_gives_the_same_run(write, tmp_path):
    config = load_config(write(MINIMAL), ["model.width=8", "recipe.learning_rate=3e-5", "data.root=x"])
    text = dump_config(config)
    assert "first_stage:" in text and "keep_checkpoints:" in text, "defaults are written out"
    saved = tmp_path / "config.yaml"
    saved.write_text(text, encoding="utf-8")
    again = load_config(saved)
    assert dump_config(again) == text
    assert (again.data, again.train, again.output) == (config.data, config.train, config.output)


def test_data_settings_alone():
    assert make_data_config({"name": "scenes"}, ["data.size=64"]) == DataConfig(name="scenes", size=64)
    with pytest.raises(RelightError) as caught:
        make_data_config({"siez": 3}, ["train.steps=3", "data.crop=x"])
    assert str(caught.value).split("\n  ")[1:] == [
        "train: only data.* can be set here.",
        "data.crop = 'x': should be a whole number.",
        "data.siez: unknown key. Did you mean 'data.size'?",
    ]


def test_configs_do_not_change_after_reading():
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig(steps=1).steps = 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet="abmt:-[]{}'\"#&*!|>%@,. \n\t0123e", max_size=60),
    override=st.text(alphabet="datrin.=[]{}:&* 01e", max_size=15),
)
def test_any_text_is_either_a_config_or_one_clear_error(tmp_path, text, override):
    path = tmp_path / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RelightError):
        load_config(path, [override])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.integers(1, 10**9),
    clip=st.none() | st.floats(1e-30, 1e30),
    rate=st.floats(1e-12, 1.0),
    root=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8),
)
def test_saving_and_reading_keep_every_value(tmp_path, steps, clip, rate, root):
    data = DataConfig(root=Path("pictures") / f"x{root}")
    config = RunConfig(
        method="dmshn",
        recipe={"learning_rate": rate},
        data=data,
        train=TrainConfig(steps=steps, clip_norm=clip),
    )
    path = tmp_path / "saved.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    again = load_config(path)
    assert (again.data, again.train, again.recipe["learning_rate"]) == (data, config.train, rate)
