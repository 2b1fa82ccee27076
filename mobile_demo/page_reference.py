"""What Python makes of the same photos and networks, for the tests of the page.

python -m mobile_demo.page_reference pictures FOLDER
python -m mobile_demo.page_reference portrait PHOTO RESULT
"""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mobile_demo.place_models import APPS
from mobile_demo.write_vectors import PORTRAIT, array_of

VECTORS = Path(__file__).parent / "vectors"
FLOAT_TOLERANCE, ROUNDED_TOLERANCE = 1e-5, 0.03
"""Float files differ by the order of sums; dynamic ranges also where a number lies between two steps."""


def pictures(folder: str) -> None:
    """Write photos of every kind into a folder."""
    out = Path(folder)
    photo = Image.open(PORTRAIT)
    (out / "portrait.jpg").write_bytes(PORTRAIT.read_bytes())
    (out / "scene.jpg").write_bytes((PORTRAIT.parent / "coffee.jpg").read_bytes())
    ramp = Image.fromarray(np.indices((96, 160)).sum(axis=0).astype(np.uint8)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    ramp.save(out / "turned.jpg", exif=exif)
    ramp.resize((120, 90)).convert("L").save(out / "grey.png")
    seen = ramp.resize((100, 100))
    seen.putalpha(Image.fromarray(np.tile(np.array([0, 255], np.uint8).repeat(50), (100, 1))))
    seen.save(out / "transparent.png")
    Image.new("RGB", (1, 1), (120, 90, 70)).save(out / "one.png")
    Image.new("RGB", (6000, 5000), (120, 90, 70)).save(out / "huge.jpg")
    whole = io.BytesIO()
    photo.save(whole, "JPEG")
    (out / "broken.jpg").write_bytes(whole.getvalue()[:200] + bytes(50))
    from pillow_heif import register_heif_opener

    register_heif_opener()
    photo.resize((64, 64)).save(out / "photo.heic")


def networks() -> None:
    """Print what each portrait file answers in LiteRT, at each of its sizes."""
    from export.litert.runtimes import InterpreterRuntime

    told = json.loads((VECTORS / "network.json").read_text())
    image = array_of(told["image"]).astype(np.float32) / 255
    folder = APPS["web"].folder
    found = []
    for record in _placed("portrait"):
        runtime = InterpreterRuntime(folder / record["name"])
        for side in record["sizes"]:
            step = image.shape[0] // side
            square = np.ascontiguousarray(image[::step, ::step])
            inputs = {
                "image": square[None, ..., None],
                "light": np.array(told["light"], np.float32).reshape(1, 1, 1, 9),
            }
            answer = runtime.run(f"relight_{side}", inputs)
            is_float = record["quantisation"] in ("fp32", "fp16")
            found.append(
                {
                    "file": record["name"],
                    "side": side,
                    "square": square.ravel().tolist(),
                    "numbers": told["light"],
                    "relit": answer["relit"].ravel().tolist(),
                    "light": answer["source_light"].ravel().tolist(),
                    "tolerance": FLOAT_TOLERANCE if is_float else ROUNDED_TOLERANCE,
                    "bits": record["quantisation"] == "static_int8",
                }
            )
    print(json.dumps({"portraits": found}))


def scene_network() -> None:
    """Print what the scene file answers in LiteRT; `tail` says whether it has layers without fixed ranges.

    Int8 layers give the same bits everywhere; a float32 sum before a dynamic range may fall to another step.
    """
    from export.litert import graph_tools
    from export.litert.runtimes import InterpreterRuntime

    folder, record = APPS["web"].folder, _placed("scene")[0]
    side = record["sizes"][0]
    photo = Image.open(PORTRAIT).convert("RGB").resize((side, side))
    image = np.asarray(photo, np.float32)[None] / 255
    path = folder / record["name"]
    relit = InterpreterRuntime(path).run(f"relight_{side}", {"image": image})["relit"][0]
    model = graph_tools.unpack(path.read_bytes())
    graph = model.subgraphs[0]
    tail = any(
        graph.tensors[int(each.outputs[0])].type == 0 for each in graph_tools.convolutions(model, graph)
    )
    planes = {"planes": image[0], "relit": relit}
    told = {
        name: [each.ravel().tolist() for each in np.moveaxis(made, -1, 0)] for name, made in planes.items()
    }
    print(json.dumps({**told, "tail": tail, "tolerance": ROUNDED_TOLERANCE}))


def portrait(photo: str, result: str) -> None:
    """Print the dB between the page's relit photo and the package's, given the page's faces and masks."""
    from tf_relight.light.light import Light
    from tf_relight.photo.faces import Face
    from tf_relight.photo.picture import resize
    from tf_relight.photo.reading import read_picture
    from tf_relight.relighting.face_places import regions
    from tf_relight.relighting.photos import load_for
    from tf_relight.relighting.portraits import PortraitRelighter
    from tf_relight.relighting.request import RelightOptions

    told = json.loads(Path(result).read_text())
    size = told["height"], told["width"]
    picture = read_picture(photo)
    names = ("left", "top", "width", "height")
    faces = [Face(*(f[name] for name in names), f["score"], tilt=f["tilt"]) for f in told["faces"]]
    masks = [_bytes(each).reshape(size).astype(np.float32) / 255 for each in told["masks"]]
    places = [
        (rows, columns, None if window is None else window * mask[rows, columns])
        for (rows, columns, window), mask in zip(regions(size, faces), masks, strict=True)
    ]
    light = Light(np.array(told["light"]).T)
    network = load_for(_placed("portrait")[0]["method"], None)
    relighter = PortraitRelighter(picture, network, faces=faces, places=places)
    for index, (region, mask) in enumerate(zip(relighter._regions, masks, strict=True)):
        part = np.ascontiguousarray(mask[region.rows, region.columns])
        relighter._people[index] = resize(part, region.before.shape)
    options = RelightOptions(light=light, strength=told["strength"], temperature=told["kelvin"])
    made = relighter.relight(options).stored.astype(np.float64)
    found = _bytes(told["data"]).reshape(*size, 4)[..., :3]
    print(_decibels(found, made))


def scene(photo: str, result: str) -> None:
    """Print the dB between the page's scene and what the package makes of the same file's answer."""
    from export.litert.runtimes import InterpreterRuntime
    from tf_relight.networks.running import working_size
    from tf_relight.photo.picture import resize, to_u8
    from tf_relight.photo.reading import read_picture
    from tf_relight.photo.transfer import transfer
    from tf_relight.relighting.squares import as_square

    told = json.loads(Path(result).read_text())
    folder, record = APPS["web"].folder, _placed("scene")[0]
    side = record["sizes"][0]
    pixels = read_picture(photo).pixels
    small = resize(pixels, working_size(pixels.shape[:2], side))
    square, there = as_square(small)
    answer = InterpreterRuntime(folder / record["name"]).run(f"relight_{side}", {"image": square[None]})
    made = to_u8(transfer(pixels, small, answer["relit"][0][there]))
    found = np.array(told["data"], np.uint8).reshape(told["height"], told["width"], 4)[..., :3]
    changed = _decibels(found, to_u8(pixels))
    print(json.dumps({"decibels": _decibels(found, made), "changed": changed}))


def saved(jpeg: str, png: str) -> None:
    """Print format, size and likeness of two saved files."""
    one, other = Image.open(jpeg), Image.open(png)
    near = _decibels(np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB")))
    told = {
        "jpeg": {"format": one.format, "size": one.size},
        "png": {"format": other.format, "size": other.size, "near_jpeg": near},
    }
    print(json.dumps(told))


def alpha(path: str) -> None:
    """Print the least and the most alpha of a file."""
    values = np.asarray(Image.open(path).convert("RGBA"))[..., 3]
    print(json.dumps([int(values.min()), int(values.max())]))


def _placed(role: str) -> list[dict[str, Any]]:
    """The page's networks of a role, as its manifest tells of them."""
    told = json.loads((APPS["web"].folder / "manifest.json").read_text())
    return [each for each in told["files"] if each["role"] == role]


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def _decibels(found: np.ndarray, wanted: np.ndarray) -> float:
    error = float(np.square(found.astype(np.float64) - wanted).mean())
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


COMMANDS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (pictures, networks, scene_network, portrait, scene, saved, alpha)
}


def main(words: list[str]) -> None:
    """Run one of `COMMANDS` with its arguments."""
    given: Any = COMMANDS[words[0]]
    given(*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
