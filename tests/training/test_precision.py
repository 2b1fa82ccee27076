"""`precision: auto`: what the hardware has, recorded, and kept by a resumed run."""

import pytest
import tensorflow as tf

from tests.training.test_run import smoke
from tf_relight.config.run import load_config
from tf_relight.errors import RelightError
from tf_relight.training import precision
from tf_relight.training.precision import hardware_bfloat16, resolve_precision

X86 = "processor : 0\nmodel name : x\nflags\t\t: fpu avx512f avx512_vnni {}\nbugs : spectre\n"
ARM = "processor : 0\nFeatures\t: fp asimd {}\n"


@pytest.fixture
def processor(tmp_path, monkeypatch):
    def pretend(text, machine="x86_64"):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(precision.platform, "machine", lambda: machine)

    return pretend


@pytest.mark.parametrize(
    "text,machine,able",
    [
        (X86.format(""), "x86_64", False),
        (X86.format("avx512_bf16"), "x86_64", True),
        (X86.format("amx_bf16 amx_tile"), "x86_64", True),
        (X86.format("not_bf16"), "x86_64", False),
        (ARM.format("bf16 i8mm"), "aarch64", True),
        (ARM.format("i8mm"), "aarch64", False),
        ("", "x86_64", False),
    ],
)
def test_what_a_processor_has(processor, text, machine, able):
    processor(text, machine)
    found, reason = hardware_bfloat16()
    assert found is able and "processor" in reason


@pytest.mark.parametrize(
    "capability,able", [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_what_a_gpu_has(monkeypatch, processor, capability, able):
    processor(X86.format("" if able else "avx512_bf16"))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["gpu"] if kind == "GPU" else [])
    details = {"compute_capability": capability, "device_name": "Some GPU"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    found, reason = hardware_bfloat16()
    assert found == able and reason.startswith("Some GPU")


@pytest.mark.long
def test_a_run_records_what_it_came_to_and_resumes_in_it(tmp_path, processor, capsys):
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    processor(X86.format("avx512_bf16"))
    folder = tmp_path / "run"
    weights = train(smoke(folder, "train.precision=auto", "train.steps=2"), progress=True)
    assert "precision bfloat16: the processor computes in it" in capsys.readouterr().err
    assert load_config(folder / "config.yaml").train.precision == "mixed_bfloat16"
    assert read_weights(weights).metadata["train"]["precision"] == "mixed_bfloat16"
    processor(X86.format(""))
    train(smoke(folder, "train.precision=auto"), resume=True, progress=True)
    assert "precision bfloat16: as the run began" in capsys.readouterr().err
    assert load_config(folder / "config.yaml").train.precision == "mixed_bfloat16"
    strategy = tf.distribute.get_strategy()
    fresh = smoke(tmp_path / "other", "train.precision=auto")
    assert resolve_precision(fresh, strategy, resume=True)[0] == "float32"
    (folder / "config.yaml").write_text("method: [")
    with pytest.raises(RelightError, match="goes on in the precision it began with"):
        resolve_precision(smoke(folder, "train.precision=auto"), strategy, resume=True)


def test_rounding_and_plain_words_are_kept(tmp_path, processor):
    processor(X86.format("avx512_bf16"))
    strategy = tf.distribute.get_strategy()
    assert resolve_precision(smoke(tmp_path / "a"), strategy, resume=False)[0] == "float32"
    rounding = smoke(tmp_path / "a", "train.quantise=0.5", "train.precision=auto", "recipe.loss=mse")
    assert resolve_precision(rounding, strategy, resume=False)[0] == "float32"


def test_no_shipped_config_takes_bfloat16_for_granted():
    from tests.training.test_run import CONFIGS

    for path in CONFIGS.rglob("*.yaml"):
        assert "bfloat16" not in path.read_text(encoding="utf-8"), path
