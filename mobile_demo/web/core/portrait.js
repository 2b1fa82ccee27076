/**
 * A photo of people made ready for any number of lights; see tf_relight/relighting/portraits.py.
 *
 * Networks are {side, run(plane, width, height, numbers) -> {relit, light}}, as `PortraitNetwork`.
 */

import { turnedNumbers } from "./harmonics.js";
import { exposed, hasColour, lightColour } from "./light.js";
import { lightnessRow, relitRow, tintOf } from "./lightness.js";
import { clamp, roundEven } from "./numbers.js";
import { fromSquare, toSquare } from "./network.js";
import { placesOf, rampAt, sizeForNetwork } from "./places.js";
import { box, each, resize, shrinkRows } from "./planes.js";
import { Fitter, LIGHTNESS_FOOT, Slicer, fitChange } from "./transfer.js";
import { turned } from "./turning.js";

const WEAVE = 1 / 128;
const EVENNESS = 1e-3;
const LOOKED_AT = 512;
const NO_LIGHT = new Float32Array(9);

export class Portrait {
  /**
   * Read the photo's own light. `picture` is {width, height, data}, data RGBA bytes; `maskOf(place)` gives for a part
   * how far its pixels belong to people: {row(y, columns, target) -> plane row}, in pixels of the whole picture.
   *
   * `networks` is {full, quick}: the one for results, and one that is smaller and quicker, for while a light moves.
   */
  static async make(picture, faces, networks, maskOf) {
    const parts = [];
    for (const place of placesOf(picture.width, picture.height, faces)) {
      const full = asSeen(inputOf(picture, place, networks.full.side), place);
      const quick = networks.quick ? asSeen(smaller(full, place, networks.quick.side), place) : full;
      const { light } = await networks.full.run(full.seen, full.side, full.side, NO_LIGHT);
      const mask = faces.length ? await maskOf(place) : null;
      parts.push({ place, mask, light, full, quick });
    }
    return new Portrait(picture, faces, { quick: networks.full, ...networks }, parts);
  }

  constructor(picture, faces, networks, parts) {
    Object.assign(this, { picture, faces, networks, parts });
  }

  /** What a light changes, part by part; `how` is "full" or "quick". */
  async changes(light, how = "full") {
    const changes = [];
    for (const part of this.parts) {
      const input = part[how];
      const after = await this.drawn(part, light, how);
      // To measure how soft the network draws takes most of the time, and it hardly changes with the light.
      if (how === "quick" && input.fitter) {
        changes.push(input.fitter.fit([after]));
        continue;
      }
      const change = fitChange([input.before], [after], input.width, input.height, LIGHTNESS_FOOT);
      if (how === "quick") input.fitter = new Fitter([input.before], input.width, input.height, LIGHTNESS_FOOT, change.softness);
      changes.push(change);
    }
    return changes;
  }

  /** Lightness of a part under a light: what differs between the network's answers to it and to its own. */
  async drawn(part, light, how) {
    const input = part[how];
    const { before, seen, side, width, height } = input;
    const { turn } = part.place;
    const asSeenThere = light.map((numbers) => turnedNumbers(numbers, -turn));
    const { numbers, own, gain } = exposed(asSeenThere, part.light);
    const answer = async (asked) => (await this.networks[how].run(seen, side, side, asked)).relit;
    input.inOwnLight ??= await answer(own);
    const relit = await answer(numbers);
    const foot = LIGHTNESS_FOOT;
    const change = turned(each((a, b) => (a + foot) / (b + foot), relit, input.inOwnLight), side, turn);
    const ratio = each((c, g) => g * c, fromSquare(change, side, width, height), this.gain(part, input, gain));
    return withoutWeave(before, ratio, width, height);
  }

  /** The factor of the exposure, which people get and what is behind them does not. */
  gain(part, input, gain) {
    if (part.mask && gain !== 1 && part.place.whole) {
      input.people ??= smallMask(part, input, this.picture);
      return each((person) => 1 + (gain - 1) * person, input.people);
    }
    return new Float32Array(input.before.length).fill(gain);
  }

  /**
   * Relight a picture of the same shape as the photo, all of it or a smaller copy, into `result` (RGBA bytes). Of a copy,
   * `lookedAt` says how many pixels along its long side are enough to tell the light's colour, and in `kept`, a Map, stays
   * what is the same under every light.
   * `options`: {light, strength, kelvin, keepBackground}; `pause` is awaited now and
   * then with the share that is done; it may throw to end the work.
   */
  async render(target, changes, options, result, pause = async () => {}) {
    const rows = new Rows(this, target, changes, options);
    const tint = this.tint(target, changes, options);
    const { width, height, data } = target;
    for (let y = 0; y < height; y++) {
      const { after, reach } = rows.at(y);
      relitRow(data, 4 * y * width, width, after, reach, tint, result, 4 * y * width);
      if (y % 64 === 63) await pause(y / height);
    }
    return result;
  }

  /** The colour of the light over this picture; how bright its lit side is, is looked up in some of its pixels. */
  tint(target, changes, options) {
    if (!hasColour(options.light, options.kelvin)) return null;
    const step = Math.max(1, Math.floor(Math.max(target.width, target.height) / (target.lookedAt ?? LOOKED_AT)));
    const rows = new Rows(this, target, changes, options);
    const count = Math.ceil(target.width / step) * Math.ceil(target.height / step);
    const [seen, made] = [new Float32Array(count), new Float32Array(count)];
    let at = 0;
    for (let y = 0; y < target.height; y += step) {
      const { before, after } = rows.at(y);
      for (let x = 0; x < target.width; x += step) {
        seen[at] = before[x];
        made[at++] = after[x];
      }
    }
    return tintOf(lightColour(options.light, options.kelvin), seen, made);
  }
}

/** New lightness and reach of the rows of a picture, one at a time. */
class Rows {
  constructor({ picture, faces, parts }, target, changes, { strength, keepBackground }) {
    Object.assign(this, { target, strength, alone: parts.length === 1 && parts[0].place.whole });
    this.person = keepBackground && faces.length && parts[0].place.whole ? parts[0].mask : null;
    const scale = { x: picture.width / target.width, y: picture.height / target.height };
    this.scale = scale;
    this.parts = parts.map((part, i) => {
      const { left, top, width, height, across, down } = part.place;
      const first = { x: Math.max(0, Math.ceil(left / scale.x - 0.5)), y: Math.max(0, Math.ceil(top / scale.y - 0.5)) };
      const last = { x: Math.ceil((left + width) / scale.x - 0.5), y: Math.ceil((top + height) / scale.y - 0.5) };
      const count = Math.min(last.x, target.width) - first.x;
      const laid = (size, whole, start, at, step) => ({ step: (step * size) / whole, start: ((at * step - start) * size) / whole });
      return {
        part,
        first,
        last,
        count,
        slicer: new Slicer(
          changes[i],
          0,
          Math.max(count, 0),
          laid(changes[i].width, width, left, first.x, scale.x),
          laid(changes[i].height, height, top, 0, scale.y),
        ),
        ramp: Float32Array.from({ length: Math.max(count, 0) }, (_, x) => rampAt(across, (first.x + x + 0.5) * scale.x)),
        rampDown: (y) => rampAt(down, (y + 0.5) * scale.y),
        shown: new Float32Array(Math.max(count, 0)),
      };
    });
    for (const name of ["after", "change", "reach"]) this[name] = new Float32Array(target.width);
  }

  /** Lightness of a row. */
  before(y) {
    const { data, width } = this.target;
    return this.kept("lightness", y, width, (line) => lightnessRow(data, 4 * y * width, width, line));
  }

  /** How far `count` pixels of a row from `left` on belong to people. */
  people(mask, y, left, count) {
    return this.kept(mask, y, count, (line) => line.set(mask.row(y, left, count, this.target, this.scale)));
  }

  /** A row of numbers that is made once where the picture keeps such rows. */
  kept(key, y, count, fill) {
    const { kept, height } = this.target;
    if (!kept) {
      const line = new Float32Array(count);
      fill(line);
      return line;
    }
    if (!kept.has(key)) kept.set(key, new Array(height));
    const rows = kept.get(key);
    if (!rows[y]) fill((rows[y] = new Float32Array(count)));
    return rows[y];
  }

  at(y) {
    const { target, strength, after, change, reach } = this;
    const before = this.before(y);
    change.fill(0);
    reach.fill(0);
    for (const { part, first, last, count, slicer, ramp, rampDown, shown } of this.parts) {
      if (y < first.y || y >= last.y || count <= 0) continue;
      const old = before.subarray(first.x, first.x + count);
      slicer.row(y, old, old, shown);
      const mask = part.mask && !part.place.whole ? this.people(part.mask, y, first.x, count) : null;
      const down = rampDown(y);
      for (let x = 0; x < count; x++) {
        const weight = part.place.whole ? 1 : ramp[x] * down * (mask ? mask[x] : 1);
        change[first.x + x] += weight * (clamp(shown[x], 0, 1) - old[x]);
        reach[first.x + x] += weight;
      }
    }
    const person = this.person ? this.people(this.person, y, 0, target.width) : null;
    for (let x = 0; x < target.width; x++) {
      const mean = change[x] / Math.max(reach[x], 1e-6);
      reach[x] = Math.min(reach[x], 1) * strength * (person ? person[x] : 1);
      after[x] = before[x] + reach[x] * mean;
    }
    return { before, after, reach };
  }
}

/** The lightness of a part at the network's size: {before, width, height}. */
function inputOf(picture, place, side) {
  const [width, height] = sizeForNetwork(place.width, place.height, side);
  const line = new Float32Array(place.width);
  const row = (y) => lightnessRow(picture.data, 4 * ((place.top + y) * picture.width + place.left), place.width, line);
  const small = [Math.min(width, place.width), Math.min(height, place.height)];
  const shrunk = shrinkRows(row, place.width, place.height, ...small);
  return { before: resize(shrunk, ...small, width, height), width, height };
}

/** The same with the square that the network sees, its head upright. */
function asSeen(input, { turn }) {
  const side = Math.max(input.width, input.height);
  return { ...input, side, seen: turned(toSquare(input.before, input.width, input.height, side), side, -turn) };
}

/** The same made small for a quicker network. */
function smaller({ before, width, height }, place, side) {
  const [toWidth, toHeight] = sizeForNetwork(place.width, place.height, side);
  return { before: resize(before, width, height, toWidth, toHeight), width: toWidth, height: toHeight };
}

function smallMask({ mask }, input, picture) {
  const { width, height } = picture;
  const row = (y) => mask.row(y, 0, width, picture, { x: 1, y: 1 });
  const small = [Math.min(input.width, width), Math.min(input.height, height)];
  return resize(shrinkRows(row, width, height, ...small), ...small, input.width, input.height);
}

/** What the network drew without its fine weave: the ratio smoothed along the edges of `before`. */
export function withoutWeave(before, ratio, width, height) {
  const reach = Math.max(1, roundEven(WEAVE * Math.max(width, height)));
  const mean = (plane) => box(plane, width, height, reach);
  const [meanBefore, meanRatio] = [mean(before), mean(ratio)];
  const products = mean(each((b, r) => b * r, before, ratio));
  const squares = mean(each((b) => b * b, before));
  const slope = each((p, q, b, r) => (p - b * r) / (q - b * b + EVENNESS), products, squares, meanBefore, meanRatio);
  const offset = mean(each((r, s, b) => r - s * b, meanRatio, slope, meanBefore));
  return each(
    (s, b, o) => clamp((s * b + o) * (b + LIGHTNESS_FOOT) - LIGHTNESS_FOOT, 0, 1),
    mean(slope),
    before,
    offset,
  );
}
