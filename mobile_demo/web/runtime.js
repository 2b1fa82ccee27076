/** The networks on LiteRT.js: files checked against the manifest, the quickest of the ways to run them kept. */

import { PortraitNetwork } from "./core/network.js";

const WASM = new URL("vendor/litert/wasm/", import.meta.url).href;
const MODELS = new URL("models/", import.meta.url).href;
const TIMED_RUNS = 3;

/** A mistake that the user is told as it stands. */
export class Sentence extends Error {}

export class Runtime {
  /** `wanted` may hold {threads: false} and {webgpu: false}, for those who know better. */
  static async start(wanted = {}) {
    if (!(await hasSimd())) {
      throw new Sentence("This browser is too old: it has no WebAssembly SIMD. Update it, or use another one.");
    }
    const { loadLiteRt, loadAndCompile, Tensor } = await import("./vendor/litert/index.js");
    const threads = await loadedWithThreads(
      loadLiteRt,
      self.crossOriginIsolated && wanted.threads !== false && navigator.hardwareConcurrency > 1,
    );
    const response = await fetch(`${MODELS}manifest.json`);
    if (!response.ok) throw new Sentence("The networks are missing. Run `make -C mobile_demo web` first.");
    const manifest = await response.json();
    return new Runtime({ loadAndCompile, Tensor, manifest, threads, webgpu: wanted.webgpu !== false });
  }

  constructor(parts) {
    Object.assign(this, parts, { contents: new Map(), compiled: new Map(), busy: Promise.resolve() });
  }

  /** The bytes of a file, whose sha256 is that of the manifest. */
  async content(name) {
    if (this.contents.has(name)) return this.contents.get(name);
    const record = this.manifest.files.find((each) => each.name === name);
    if (!record) throw new Sentence(`The manifest knows no network ${name}. Put the networks in place again.`);
    const response = await fetch(MODELS + name);
    if (!response.ok) throw new Sentence(`The network ${name} is missing. Put the networks in place again.`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const sum = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    if (sum !== record.sha256) {
      throw new Sentence(`The network ${name} is not the one that the manifest describes. Put the networks in place again.`);
    }
    this.contents.set(name, bytes);
    return bytes;
  }

  async model(name, accelerator = "wasm") {
    const key = `${accelerator} ${name}`;
    if (!this.compiled.has(key)) {
      this.compiled.set(key, await this.loadAndCompile(await this.content(name), { accelerator }));
    }
    return this.compiled.get(key);
  }

  /** Run a signature (null: the only one) of a file; inputs {name: [numbers, shape]} or one [numbers, shape]. */
  run(name, signature, inputs, accelerator = "wasm") {
    // One after the other: all share the memory of one WebAssembly module.
    const turn = this.busy.then(() => this.runNow(name, signature, inputs, accelerator));
    this.busy = turn.catch(() => {});
    return turn;
  }

  async runNow(name, signature, inputs, accelerator) {
    const model = await this.model(name, accelerator);
    const made = [];
    const tensor = ([values, shape]) => {
      const whole = new this.Tensor(values, shape);
      made.push(whole);
      return whole;
    };
    const given = Array.isArray(inputs)
      ? tensor(inputs)
      : Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, tensor(value)]));
    const results = signature ? await model.run(signature, given) : await model.run(given);
    const read = async (each) => {
      const values = Float32Array.from(await each.data());
      each.delete();
      return values;
    };
    const entries = await Promise.all(Object.entries(results).map(async ([key, value]) => [key, await read(value)]));
    made.forEach((each) => each.delete());
    return Object.fromEntries(entries);
  }

  /** The portrait network at its full and its quick size, on the way that was quickest here. */
  async portraitNetworks() {
    const files = this.manifest.files.filter((each) => each.role === "portrait");
    if (!files.length) throw new Sentence("The manifest names no network for portraits. Put the networks in place again.");
    const sizes = [...files[0].sizes].sort((a, b) => a - b);
    const way = await this.quickest(files, sizes[sizes.length - 1]);
    const once = (side) => (square, numbers) => this.portraitPass(way, side, square, numbers);
    return {
      way,
      full: new PortraitNetwork(sizes[sizes.length - 1], once(sizes[sizes.length - 1]), files[0].mirrored === false),
      quick: new PortraitNetwork(sizes[0], once(sizes[0]), false),
    };
  }

  async portraitPass(way, side, square, numbers) {
    const inputs = { image: [square, [1, side, side, 1]], light: [numbers, [1, 1, 1, 9]] };
    try {
      const answer = await this.run(way.file, `relight_${side}`, inputs, way.accelerator);
      if (!answer.relit.every(Number.isFinite)) throw new Error("numbers that are none");
      return { relit: answer.relit, light: answer.source_light };
    } catch (error) {
      if (way.accelerator === "wasm") throw error;
      // The GPU is gone, or gives nonsense: go on without it.
      Object.assign(way, way.spare);
      return this.portraitPass(way, side, square, numbers);
    }
  }

  /** Try the files on the CPU and on the GPU; returns {file, accelerator, milliseconds, spare, tried}. */
  async quickest(files, side) {
    const tried = [];
    for (const { name, quantisation } of files) {
      for (const accelerator of this.webgpu && (await hasGpu()) && quantisation === "fp16" ? ["wasm", "webgpu"] : ["wasm"]) {
        try {
          tried.push({ file: name, accelerator, milliseconds: await this.timed(name, accelerator, side) });
        } catch (error) {
          if (accelerator === "wasm") throw error;
        }
      }
    }
    tried.sort((a, b) => a.milliseconds - b.milliseconds);
    const spare = tried.find((each) => each.accelerator === "wasm");
    return { ...tried[0], spare, tried };
  }

  async timed(name, accelerator, side) {
    const inputs = { image: [new Float32Array(side * side).fill(0.5), [1, side, side, 1]], light: [new Float32Array(9).fill(0.1), [1, 1, 1, 9]] };
    let least = Infinity;
    for (let i = 0; i <= TIMED_RUNS; i++) {
      const start = performance.now();
      await this.run(name, `relight_${side}`, inputs, accelerator);
      // The first run prepares.
      if (i > 0) least = Math.min(least, performance.now() - start);
    }
    return least;
  }

  /** The scene network {side, run(planes) -> planes}. */
  sceneNetwork() {
    const file = this.manifest.files.find((each) => each.role === "scene");
    if (!file) throw new Sentence("The manifest names no network for scenes. Put the networks in place again.");
    const side = file.sizes[0];
    return {
      side,
      run: async (planes) => {
        const image = new Float32Array(3 * side * side);
        planes.forEach((plane, c) => plane.forEach((value, i) => (image[3 * i + c] = value)));
        const { relit } = await this.run(file.name, `relight_${side}`, { image: [image, [1, side, side, 3]] });
        return planes.map((_, c) => Float32Array.from({ length: side * side }, (_, i) => relit[3 * i + c]));
      },
    };
  }
}

/** Load the module, with threads where they are wanted and known; returns whether it has them. */
async function loadedWithThreads(loadLiteRt, threads) {
  // In a worker, Emscripten would look for its files beside the worker.
  self.Module = {
    locateFile: (name) => WASM + name,
    mainScriptUrlOrBlob: `${WASM}litert_wasm_threaded_internal.js`,
  };
  try {
    await loadLiteRt(WASM, { threads });
    return threads;
  } catch (error) {
    if (!threads) throw error;
    return loadedWithThreads(loadLiteRt, false);
  }
}

/** A module that uses SIMD: (func (result v128) (v128.const)). */
async function hasSimd() {
  return WebAssembly.validate(
    new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]),
  );
}

async function hasGpu() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  } catch {
    return false;
  }
}
