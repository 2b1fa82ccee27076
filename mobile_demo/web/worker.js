/**
 * Everything that takes time, beside the page: reading photos, the networks, the full-size result, files.
 *
 * A classic worker, because LiteRT.js loads its own script by importScripts, which module workers lack.
 */

const LARGEST_PIXELS = 24e6;
/** Of the small picture: pixels along its long side that are enough to tell the light's colour. */
const PREVIEW_LOOKED_AT = 64;
const LOOKED_AT = 1024;
const MASK_SIDE = 384;
const PEOPLE_SIDE = 256;
const FACE_SIDES = { near: 128, far: 192 };

const modules = Promise.all([
  import("./runtime.js"),
  import("./core/faces.js"),
  import("./core/pace.js"),
  import("./core/person.js"),
  import("./core/planes.js"),
  import("./core/portrait.js"),
  import("./core/scene.js"),
]).then((all) => Object.assign({}, ...all));

let runtime = null;
let networks = null;
let photo = null;
/** Outlives the photo: it knows the device. */
let pace = null;
/** Counts the wishes; a full-size run that is no longer wanted stops. */
let wish = 0;

const actions = {
  async start({ wanted }) {
    const { Pace, Runtime } = await modules;
    pace = new Pace();
    runtime = await Runtime.start(wanted);
    networks = await runtime.portraitNetworks();
    return { way: networks.way, threads: runtime.threads, sizes: [networks.full.side, networks.quick.side] };
  },

  async open({ file }) {
    wish++;
    photo = null;
    const { Portrait, findFaces } = await modules;
    const { picture, notes } = await read(file);
    const looked = shrunkCopy(picture, LOOKED_AT);
    const scale = picture.width / looked.width;
    const found = await findFaces(looked.width, looked.height, (kind, ...window) => look(looked, kind, ...window));
    const larger = (face) => ["left", "top", "width", "height"].map((name) => [name, face[name] * scale]);
    const faces = found.map((face) => ({ ...face, ...Object.fromEntries(larger(face)) }));
    if (!faces.length) notes.push("No face was found; the whole picture is relit, which may look wrong.");
    const portrait = await Portrait.make(picture, faces, networks, (place) => maskOf(picture, place));
    photo = { picture, previews: new Map(), portrait, scene: null, result: null };
    const { width, height } = picture;
    return { width, height, faces, notes, before: await bitmapOf(picture, 2048) };
  },

  /** A small picture under the settings, for while the light moves. */
  async preview(settings) {
    wish++;
    const { side } = pace;
    const small = smallPhoto(side);
    const started = performance.now();
    const shown = await relit(small, settings, "quick");
    const picture = await createImageBitmap(new ImageData(shown, small.width, small.height));
    pace.took(performance.now() - started);
    return { picture, side };
  },

  /** The whole photo under the settings; it stays here for `save`. */
  async full(settings, progress) {
    const mine = ++wish;
    const started = performance.now();
    const { picture } = photo;
    const result = await relit(picture, settings, "full", async (share) => {
      progress(share);
      // Messages that came meanwhile are let in.
      await new Promise((resolve) => setTimeout(resolve));
      if (mine !== wish) throw new Outdated();
    });
    photo.result = { width: picture.width, height: picture.height, data: result };
    const milliseconds = performance.now() - started;
    return { picture: await bitmapOf(photo.result, 2048), milliseconds, way: networks.way };
  },

  async save({ type, quality }) {
    const { Sentence } = await modules;
    const { width, height, data } = photo.result;
    try {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d");
      context.putImageData(new ImageData(data, width, height), 0, 0);
      if (type === "image/jpeg") {
        // JPEG knows no transparency: paper shows through, not black.
        context.globalCompositeOperation = "destination-over";
        context.fillStyle = "white";
        context.fillRect(0, 0, width, height);
      }
      return { blob: await canvas.convertToBlob({ type, quality }) };
    } catch (error) {
      throw new Sentence(`The picture could not be written (${error.message}). Free some memory and try again.`);
    }
  },

  /** Addresses that were fetched here, for the service worker to keep. */
  async used() {
    const { files } = runtime.manifest;
    const networks = files.map(({ name }) => new URL(`models/${name}`, self.location.href).href);
    const fetched = performance.getEntriesByType("resource").map(({ name }) => name);
    return { urls: [...new Set([...networks, ...fetched.filter((url) => url.startsWith("http"))])] };
  },

  /** For tests: what the network in use answers, and the pixels of the last result. */
  async probe({ square, numbers, side, file }) {
    const way = { ...networks.way, ...(file ? { file, accelerator: "wasm" } : {}) };
    return runtime.portraitPass(way, side, square, numbers);
  },

  async probeScene({ planes }) {
    return { relit: await runtime.sceneNetwork().run(planes) };
  },

  async pixels() {
    const { width, height, data } = photo.picture;
    const masks = photo.portrait.parts.map(({ mask }) => {
      const bytes = new Uint8Array(width * height);
      for (let y = 0; mask && y < height; y++) {
        const row = mask.row(y, 0, width, { width, data }, { x: 1, y: 1 });
        for (let x = 0; x < width; x++) bytes[y * width + x] = Math.round(255 * row[x]);
      }
      return bytes;
    });
    return { ...photo.result, faces: photo.portrait.faces, masks };
  },

  async sameAsPhoto() {
    return { same: photo.picture.data.every((value, i) => value === photo.result.data[i]) };
  },

  /** For tests: lose the GPU. */
  async loseGpu() {
    networks.way.accelerator = "webgpu";
    runtime.compiled.set(`webgpu ${networks.way.file}`, { run: () => Promise.reject(new Error("device lost")) });
    return {};
  },
};

class Outdated extends Error {}

async function relit(target, { mode, light, strength, kelvin, keepBackground }, how, pause = async () => {}) {
  const { Scene } = await modules;
  const result = new Uint8ClampedArray(target.data.length);
  if (mode === "scene") {
    photo.scene ??= await Scene.make(photo.picture, runtime.sceneNetwork());
    await photo.scene.render(target, { strength }, result, pause);
    return result;
  }
  const changes = await photo.portrait.changes(light, how);
  await pause(0);
  await photo.portrait.render(target, changes, { light, strength, kelvin, keepBackground }, result, pause);
  return result;
}

async function read(file) {
  const { Sentence } = await modules;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "default" });
  } catch {
    if (await isHeic(file)) {
      throw new Sentence("This browser cannot read HEIC photos. Save the photo as JPEG first, or share it as JPEG.");
    }
    throw new Sentence(`${file.name || "This file"} cannot be read as a picture: it is damaged, or of a kind unknown to this browser.`);
  }
  const notes = [];
  let { width, height } = bitmap;
  if (width * height > LARGEST_PIXELS) {
    const scale = Math.sqrt(LARGEST_PIXELS / (width * height));
    notes.push(`The photo of ${megapixels(width * height)} megapixels was made smaller, to ${megapixels(LARGEST_PIXELS)}.`);
    width = Math.max(1, Math.floor(width * scale));
    height = Math.max(1, Math.floor(height * scale));
  }
  try {
    const picture = pixelsOf(bitmap, 0, 0, bitmap.width, bitmap.height, width, height);
    return { picture, notes };
  } catch {
    throw new Sentence("There is not enough memory for this photo. Make it smaller first.");
  } finally {
    bitmap.close();
  }
}

function megapixels(pixels) {
  return (pixels / 1e6).toFixed(0);
}

async function isHeic(file) {
  const head = new TextDecoder("latin1").decode(await file.slice(4, 12).arrayBuffer());
  return /^ftyp(heic|heix|hevc|heim|heis|mif1|msf1)/.test(head);
}

/** Pixels of a part of a drawable at another size: {width, height, data, canvas}. */
function pixelsOf(source, left, top, fromWidth, fromHeight, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, left, top, fromWidth, fromHeight, 0, 0, width, height);
  return { width, height, data: context.getImageData(0, 0, width, height).data, canvas };
}

/** The photo made small; copies of two sides are kept, with what is the same under every light. */
function smallPhoto(side) {
  const { picture, previews } = photo;
  if (!previews.has(side)) {
    if (previews.size > 1) previews.delete(previews.keys().next().value);
    const { width, height, data } = shrunkCopy(picture, side);
    previews.set(side, { width, height, data, lookedAt: PREVIEW_LOOKED_AT, kept: new Map() });
  }
  return previews.get(side);
}

function shrunkCopy(picture, side) {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  return pixelsOf(picture.canvas, 0, 0, picture.width, picture.height, width, height);
}

async function bitmapOf(picture, side) {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const data = new ImageData(picture.data, picture.width, picture.height);
  if (scale === 1) return createImageBitmap(data);
  return createImageBitmap(data, {
    resizeWidth: Math.max(1, Math.round(picture.width * scale)),
    resizeHeight: Math.max(1, Math.round(picture.height * scale)),
    resizeQuality: "high",
  });
}

/** What a face network answers to a square of the picture, black beside it. */
async function look(picture, kind, left, top, side) {
  const wanted = FACE_SIDES[kind];
  const { data } = pixelsOf(picture.canvas, left, top, side, side, wanted, wanted);
  const input = new Float32Array(3 * wanted * wanted);
  for (let i = 0; i < wanted * wanted; i++) {
    for (let c = 0; c < 3; c++) input[3 * i + c] = data[4 * i + c] / 127.5 - 1;
  }
  const file = runtime.manifest.files.find((each) => each.role === `faces_${kind}`).name;
  const answers = Object.values(await runtime.run(file, null, [input, [1, wanted, wanted, 3]]));
  const [scores, boxes] = answers.sort((a, b) => a.length - b.length);
  return { scores, boxes };
}

async function maskOf(picture, place) {
  const { PersonMask, resize } = await modules;
  const { left, top, width, height } = place;
  const { data } = pixelsOf(picture.canvas, left, top, width, height, PEOPLE_SIDE, PEOPLE_SIDE);
  const input = new Float32Array(3 * PEOPLE_SIDE * PEOPLE_SIDE);
  for (let i = 0; i < PEOPLE_SIDE * PEOPLE_SIDE; i++) for (let c = 0; c < 3; c++) input[3 * i + c] = data[4 * i + c] / 255;
  const file = runtime.manifest.files.find((each) => each.role === "people").name;
  const [mask] = Object.values(await runtime.run(file, null, [input, [1, PEOPLE_SIDE, PEOPLE_SIDE, 3]]));
  const scale = Math.min(1, MASK_SIDE / Math.max(width, height));
  const small = pixelsOf(
    picture.canvas,
    left,
    top,
    width,
    height,
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  return new PersonMask(small, resize(mask, PEOPLE_SIDE, PEOPLE_SIDE, small.width, small.height), place);
}

self.onmessage = async ({ data: { id, action, ...given } }) => {
  const progress = (share) => self.postMessage({ id, progress: share });
  try {
    const answer = await actions[action](given, progress);
    const moved = Object.values(answer).filter((value) => value instanceof ImageBitmap);
    self.postMessage({ id, answer }, moved);
  } catch (error) {
    const { Sentence } = await modules;
    if (error instanceof Outdated) self.postMessage({ id, outdated: true });
    else if (error instanceof Sentence) self.postMessage({ id, sentence: error.message });
    else self.postMessage({ id, fault: `${error?.name}: ${error?.message ?? error}` });
  }
};
