"""Reading VIDIT: layouts, pairings, mirroring, splits, what is missing."""

from collections import Counter

import numpy as np
import pytest

from tf_relight.data import open_source
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS, ViditLight

N, E, W = (ViditLight.parse(name) for name in ("N_6500", "E_4500", "W_4500"))


def scene_and_light(picture):
    """What a test picture says about itself: scene, light index, flipped or not."""
    return int(picture[0, 0, 1]), int(picture[0, 0, 2]), bool(picture[0, 0, 0] > picture[0, -1, 0])


@pytest.mark.parametrize(
    ("folders", "split"),
    [
        (("train/input", "train/target"), "train"),
        (("track1_train/input", "track1_train/target"), "train"),
        (("AIM2020/track1/train/inputs", "AIM2020/track1/train/gt"), "train"),
        (("validation/input", "validation/target"), "validation"),
        (("track1_validation_input", "track1_validation_gt"), "validation"),
        (("val/input", "val/ground_truth"), "validation"),
        (("Track1/val", "Track1/val_target"), "validation"),
        (("input", "target"), "train"),
    ],
)
def test_input_and_target_folders_under_every_known_name(vidit, folders, split):
    vidit.pairs(*folders, range(3))
    source = open_source(vidit.config(), split)
    assert len(source) == (2 if folders == ("input", "target") else 3 - (split == "train"))
    assert source.fields == ("image", "target")
    sample = source.read(0)
    assert sample["image"].dtype == np.uint8 and sample["image"].shape == (16, 16, 3)
    assert scene_and_light(sample["image"])[1:] == (N.index, False)
    assert scene_and_light(sample["target"])[1:] == (E.index, False)
    assert source.key(0) == f"Image{scene_and_light(sample['image'])[0]:03d}"


def test_one_to_one_from_the_flat_layout_labels_its_lights(vidit):
    vidit.flat("train", range(2))
    source = open_source(vidit.config(input_light="SW_2500", target_light="NE_5500"), "train")
    assert len(source) == 1
    sample = source.read(0)
    assert sample["light"] == ViditLight.parse("SW_2500").index and sample["light"].dtype == np.int32
    assert scene_and_light(sample["image"])[1] == sample["light"]
    assert scene_and_light(sample["target"])[1] == sample["target_light"]


def test_any_to_one_has_every_light_as_input_once(vidit):
    vidit.flat("train", range(2))
    vidit.flat("validation", range(300, 301), rgba=True)
    source = open_source(vidit.config(pairing="any_to_one"), "train")
    seen = Counter()
    for index in range(len(source)):
        sample = source.read(index)
        scene, light, _ = scene_and_light(sample["image"])
        assert light == sample["light"]
        assert scene_and_light(sample["target"])[:2] == (scene, E.index)
        seen[scene, light] += 1
    assert len(seen) == 80 and set(seen.values()) == {1}
    assert len({source.key(index) for index in range(len(source))}) == 80


def test_any_to_any_enumerates_all_pairs_without_a_list(vidit):
    vidit.flat("train", range(3))
    source = open_source(vidit.config(pairing="any_to_any"), "train")
    assert len(source) == 2 * 1600
    pairs = set()
    for index in range(1600):
        parts = source.parts(index)
        pairs.add((int(parts["light"]), int(parts["target_light"])))
    assert len(pairs) == 1600
    for index in (0, 1, 41, 777, 1600, 3199):
        sample = source.read(index)
        scene, light, _ = scene_and_light(sample["image"])
        assert light == sample["light"]
        assert scene_and_light(sample["target"])[:2] == (scene, sample["target_light"])
        other, guide_light, _ = scene_and_light(sample["guide"])
        assert other != scene and guide_light == sample["target_light"]
    assert source.pools == {"picture": 80}


@pytest.mark.parametrize("pairing", ["one_to_one", "any_to_one", "any_to_any"])
def test_mirrored_samples_are_flipped_and_relabelled(vidit, pairing):
    vidit.flat("train", range(3))
    vidit.flat("validation", range(300, 301))
    plain = open_source(vidit.config(pairing=pairing), "train")
    mirrored = open_source(vidit.config(pairing=pairing, mirror=True), "train")
    assert len(mirrored) == 2 * len(plain)
    for index in range(0, len(plain), max(1, len(plain) // 50)):
        first, second = mirrored.read(index), mirrored.read(len(plain) + index)
        assert {name: array.tolist() for name, array in first.items()} == {
            name: array.tolist() for name, array in plain.read(index).items()
        }
        for picture, label in (("image", "light"), ("target", "target_light")):
            # the label is what is seen: the file was taken under the mirrored light
            assert second[label] == first[label]
            taken, flipped = scene_and_light(second[picture])[1:]
            assert flipped and ViditLight.from_index(taken).mirrored().index == second[label]
        assert mirrored.key(len(plain) + index) == mirrored.key(index) + "_mirrored"
    assert len(open_source(vidit.config(pairing=pairing, mirror=True), "validation")) == len(plain) // 3


def test_mirroring_two_lights_on_disk_says_why_it_cannot(vidit):
    vidit.pairs("train/input", "train/target", range(3))
    with pytest.raises(RelightError, match="E into W.*needs a picture under W_4500.*data.mirror=false"):
        open_source(vidit.config(mirror=True), "train")


def test_guide_pairs_of_track_3(vidit):
    vidit.flat("track3_train", range(2))
    vidit.pairs("track3_validation/input", "track3_validation/target", range(4), prefix="Pair")
    for scene in range(4):
        vidit.write(f"track3_validation/guide/Pair{scene:03d}.png", vidit.picture(scene + 100, E))
    source = open_source(vidit.config(pairing="any_to_any"), "validation")
    assert source.fields == ("image", "target", "guide") and source.key(2) == "Pair002"
    assert scene_and_light(source.read(2)["guide"])[:2] == (102, E.index)
    assert len(open_source(vidit.config(pairing="any_to_any"), "train")) == 2 * 1600


def test_illumination_estimation_of_track_2(vidit):
    vidit.flat("track2_train", range(3))
    source = open_source(vidit.config(track="aim_2", mirror=True), "train")
    assert source.fields == ("image", "light") and len(source) == 2 * 80
    for index in (0, 17, 80, 97):
        sample = source.read(index)
        taken, flipped = scene_and_light(sample["image"])[1:]
        light = ViditLight.from_index(taken)
        assert sample["light"] == (light.mirrored() if flipped else light).index
        assert flipped == (index >= 80)


def test_epfl_tree_is_held_out_by_location(vidit):
    for place in ("market", "train_station", "harbour"):
        for scene in range(2):
            for light in ALL_LIGHTS:
                name = f"train/{place}/{light.temperature}/{light.direction}/image{scene:04d}.png"
                vidit.write(name, vidit.picture(scene, light))
    splits = [open_source(vidit.config(), split) for split in ("train", "validation")]
    places = [{source.key(i).rpartition("_image")[0] for i in range(len(source))} for source in splits]
    assert sorted(map(len, places)) == [1, 2] and not places[0] & places[1]
    assert [len(source) for source in splits] == [4, 2]
    assert splits[0].read(0)["light"] == N.index


def test_depth_comes_with_the_scene_and_is_flipped_with_it(vidit):
    vidit.flat("train", range(2), depth=True)
    source = open_source(vidit.config(depth=True, mirror=True, size=8), "train")
    plain, mirrored = source.read(0)["depth"], source.read(1)["depth"]
    assert plain.shape == (8, 8, 1) and plain.dtype == np.float32
    assert plain[0, 0, 0] < 0.1 < 0.9 < plain[0, -1, 0]
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


def test_rgba_drops_alpha_and_sizes_are_made_equal(vidit):
    vidit.pairs("train/input", "train/target", range(2))
    clear = np.dstack([vidit.picture(7, N, size=40), np.zeros((40, 40), np.uint8)])
    vidit.write("train/input/Image000.png", clear)
    vidit.write("validation/input/Image300.png", clear)
    vidit.write("validation/target/Image300.png", clear)
    shrunk = open_source(vidit.config(), "train").read(0)["image"]
    assert shrunk.shape == (16, 16, 3) and shrunk[0, 0, 1] == 7
    assert open_source(vidit.config(size=None), "validation").read(0)["image"].shape == (40, 40, 3)
    with pytest.raises(RelightError, match="differ in size .16x16, 40x40.; set data.size"):
        open_source(vidit.config(size=None), "train")


def test_shrinking_is_antialiased(vidit):
    checker = np.repeat((np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    vidit.write("validation/input/Image300.png", checker)
    vidit.write("validation/target/Image300.png", checker)
    assert set(np.unique(open_source(vidit.config(size=8), "validation").read(0)["image"])) <= {127, 128}


@pytest.mark.reference
def test_real_pictures(reference_data, vidit):
    real = reference_data / "vidit" / "dev" / "real" / "Image014_4500_E.png"
    vidit.root.mkdir()
    for name in ("Image014_4500_E.png", "Image014_6500_N.png"):
        (vidit.root / name).symlink_to(real)
    (vidit.root / "Image049_4500_E.png").symlink_to(real)
    source = open_source(vidit.config(track="aim_2", size=512), "train")
    sample = source.read(0)
    assert sample["image"].shape == (512, 512, 3) and sample["light"] in (E.index, N.index)
    # the reader is the plain decode of the file: nothing but alpha is changed before resizing
    from PIL import Image

    native = open_source(vidit.config(track="aim_2", size=None), "train").read(0)["image"]
    np.testing.assert_array_equal(native, np.asarray(Image.open(real))[..., :3])
