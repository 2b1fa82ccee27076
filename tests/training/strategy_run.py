"""Run as a process: trains a network a few steps under one strategy and saves the weights.

python strategy_run.py KIND FOLDER [xla] [drn | residue]; KIND is default, one_device, mirrored or
multi_worker, which reads TF_CONFIG.
The network is the toy GAN, or with "drn" a small DRN through its three stages, or with "residue" a small
residue method 6 through its two.
A strategy must be made before any tensor and one failed collective poisons its process, hence a process each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(kind: str, folder: Path, xla: bool, network: str) -> None:
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    tf.config.threading.set_intra_op_parallelism_threads(1)
    from tests.training.small_drn import ShadowFreeNoise, build_small_drn, drn_stages
    from tests.training.small_residue import FaceNoise, build_small_residue, residue_stages
    from tests.training.toy_models import build_toy_gan, gan_stages
    from tests.training.toy_problem import NoiseSource, make_trainer, weights_of
    from tf_relight.training.strategy import make_strategy, read_cluster

    cluster = read_cluster()
    devices = ["CPU:0", "CPU:1"] if kind == "mirrored" else None
    strategy = make_strategy(kind, devices, cluster)
    with strategy.scope():
        import keras

        keras.utils.set_random_seed(1)
        build = {"drn": build_small_drn, "residue": build_small_residue}.get(network, build_toy_gan)
        gan = build()
    stages, source = {
        "drn": (drn_stages, ShadowFreeNoise),
        "residue": (residue_stages, FaceNoise),
    }.get(network, (lambda optimizer: gan_stages(), NoiseSource))
    name = f"{kind}{cluster.index}"
    trainer = make_trainer(
        folder / f"gan_{kind}",
        strategy=strategy,
        cluster=cluster,
        model=gan,
        stages=stages("sgd"),
        source=source(),
        streams={"synthetic": source()} if network == "residue" else None,
        steps=6,
        batch_size=8,
        # Which pictures share a piece of a batch depends on the number of devices, and with batch
        # normalisation a piece's pictures see one another.
        accumulate=1 if network == "residue" else 2,
        clip_norm=0.05,
        ema=0.9,
        xla=xla,
        validation=source(2),
    )
    trainer.run(progress=False)
    np.savez(folder / f"gan_{name}.npz", *weights_of(trainer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "xla" in sys.argv[3:], sys.argv[-1])
