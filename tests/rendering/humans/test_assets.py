"""Which files of an asset folder are used, and what is said about the others."""

from __future__ import annotations

import pytest

from tests.rendering.humans.tiny_assets import write_assets, write_manifest
from tf_relight.errors import RelightError
from tf_relight.rendering.humans.assets import AssetError, AssetFolder
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.meshes import read_obj
from tf_relight.rendering.humans.morphs import read_morph
from tf_relight.rendering.humans.proxies import read_proxy

HAIR = "hair/long01/long01.obj"


def test_a_whole_folder_is_used_wholly(tiny_assets):
    folder = AssetFolder(tiny_assets)
    assert folder.left_out == {}
    assert folder.has(HAIR) and folder.files("hair/*/*.mhclo") == ["hair/long01/long01.mhclo"]
    assert folder.path(HAIR).is_file()


def test_what_the_manifest_does_not_vouch_for_is_named_and_left_out(tmp_path):
    root = write_assets(tmp_path)
    (root / HAIR).write_text("v 0 0 0\n", encoding="utf-8")
    (root / "hair/long01/extra.png").write_bytes(b"x")
    (root / "eyebrows/eyebrow001/eyebrow001.png").unlink()
    text = (root / "MANIFEST.tsv").read_text(encoding="utf-8")
    lines = [
        line.replace("CC0-1.0", "AGPL") if "male_shirt01.obj" in line else line for line in text.splitlines()
    ]
    (root / "MANIFEST.tsv").write_text("\n".join(lines), encoding="utf-8")
    folder = AssetFolder(root)
    assert folder.left_out[HAIR] == "it differs from the manifest's sha256"
    assert "licence is unknown" in folder.left_out["hair/long01/extra.png"]
    assert folder.left_out["eyebrows/eyebrow001/eyebrow001.png"] == "it is missing"
    assert "its licence is 'AGPL'" in folder.left_out["clothes/male_shirt01/male_shirt01.obj"]
    with pytest.raises(AssetError, match="long01.obj cannot be used: it differs from the manifest"):
        folder.path(HAIR)


def test_without_a_manifest_the_headers_of_the_meshes_decide(tmp_path):
    root = write_assets(tmp_path, manifest=False)
    (root / HAIR).write_text((root / HAIR).read_text().replace("CC0", "mine"), encoding="utf-8")
    mhclo = root / "hair/long01/long01.mhclo"
    mhclo.write_text(mhclo.read_text().replace("CC0", "mine"), encoding="utf-8")
    with pytest.raises(RelightError, match="no usable targets/macrodetails"):  # targets have no header
        AssetFolder(root)
    (root / "LICENSE.txt").write_text("CC0 1.0 Universal", encoding="utf-8")
    assert AssetFolder(root).has(HAIR)


def test_another_folder_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(RelightError, match="There is no asset folder"):
        AssetFolder(tmp_path / "none")
    with pytest.raises(RelightError, match="no usable 3dobjs/base.obj"):
        AssetFolder(tmp_path)
    root = write_assets(tmp_path / "a")
    (root / "MANIFEST.tsv").write_text("nothing\tof\tuse\n1\t2\t3\n", encoding="utf-8")
    with pytest.raises(RelightError, match="has no columns file, sha256 and licence"):
        AssetFolder(root)
    write_manifest(root, licence="unknown")
    with pytest.raises(RelightError, match="no usable 3dobjs/base.obj"):
        AssetFolder(root)


@pytest.mark.parametrize("text", ["v 1 2\nf 1 1 1", "v 1 2 x", "v 0 0 0\nf 1 2 3", "", "v 0 0 0\nf 1 1"])
def test_a_broken_mesh_is_named(tmp_path, text):
    path = tmp_path / "broken.obj"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssetError, match=r"broken\.obj is not a usable \.obj mesh"):
        read_obj(path)


def test_a_broken_proxy_is_named(tiny_assets, tmp_path):
    obj, good = tiny_assets / HAIR, tiny_assets / "hair/long01/long01.mhclo"
    whole = good.read_text(encoding="utf-8")
    broken = {
        whole.replace("13606 13606", "99999 13606"): "vertices that the body does not have",
        whole.replace("13606 13606 13606 1 0 0", "13606 13606 13606 1 0", 1): "binds no vertex",
        whole.split("delete_verts")[0].rsplit("\n", 3)[0]: "binds 35 vertices, but",
        whole.replace("name thing", "x_scale 1 2 0"): "x_scale has no length",
    }
    for text, message in broken.items():
        path = tmp_path / "broken.mhclo"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssetError, match=message) as caught:
            read_proxy(path, obj, 13700)
        assert "broken.mhclo" in str(caught.value)


def test_a_broken_target_is_named(tmp_path):
    path = tmp_path / "broken.target.gz"
    for content in (b"no gzip", b""):
        path.write_bytes(content)
        if content:
            with pytest.raises(AssetError, match="target.gz is (not a usable target|damaged)"):
                read_morph(path, 10)


def test_a_proxy_follows_the_body_and_hides_what_it_covers(tiny_assets):
    library = Library(AssetFolder(tiny_assets))
    proxy = library.proxy("hair/long01")
    body = library.body.vertices
    moved = proxy.fit(body + [0, 1, 0]) - proxy.fit(body)
    assert moved == pytest.approx(moved * 0 + [0, 1, 0], abs=1e-5)
    assert proxy.hides.tolist() == [3, 4, 5, 9]
    assert library.proxy("hair/long01") is proxy
