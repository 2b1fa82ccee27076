/**
 * Bringing a change of light from a small picture to the full-size photo: one gain and offset per place and
 * brightness (a bilateral grid). See tf_relight/photo/transfer.py; both are held together by shared numbers.
 */

import { clamp } from "./numbers.js";
import { divided, each, gaussian, grow, multiplied, resize } from "./planes.js";

export const LIGHTNESS_FOOT = 0.16;
export const SRGB_FOOT = 0.055;
const LEVELS = 8;
const LEVEL_WIDTH = 0.1;
const SLOPE_REACH = 0.7;
const GAIN_REACH = 2;
const OFFSET_REACH = 1;
const SLOPE_RIDGE = 1e-3;
const EDGE_VARIANCE = 3e-3;
const LARGEST_CONTRAST = 1.15;
const LARGEST_GAIN = 3;
const SOFTNESS = [0, 0.5, 0.7, 1, 1.4, 2];
const SOFTNESS_MARGIN = 1.3;
const TILE = 128;
const TILES = 4;
const BRIGHTNESS = [0.299, 0.587, 0.114];

/**
 * The change between two small pictures, each a list of 1 or 3 planes of width x height.
 * `softness` of the network's drawing, in pixels, is measured unless it is given.
 */
export function fitChange(before, after, width, height, foot = LIGHTNESS_FOOT, softness = null) {
  const soft = softness ?? measureSoftness(before, after, width, height, foot);
  return new Fitter(before, width, height, foot, soft).fit(after);
}

/** What a change takes of the picture before; kept, because it is the same for every light. */
export class Fitter {
  constructor(before, width, height, foot, softness) {
    const guide = brightness(before);
    const softened = before.map((plane) => gaussian(plane, width, height, softness));
    Object.assign(this, { softness, guide, softened });
    this.ground = groundOf(softened, levelsOf(guide, width, height), width, height, foot);
  }

  /** The change that leads to `after`, a list of as many planes. */
  fit(after) {
    const change = models(this.ground, after);
    change.softness = this.softness;
    // Levels are mixed with weights that add up to 1, so adding to each adds to the result.
    this.softened.forEach((plane, channel) => {
      const rest = appliedWhole(change, channel, plane, this.guide);
      for (let i = 0; i < rest.length; i++) rest[i] = after[channel][i] - rest[i];
      for (const offset of change.channels[channel].offsets) for (let i = 0; i < rest.length; i++) offset[i] += rest[i];
    });
    return change;
  }
}

/**
 * A change laid over a larger picture, row by row.
 *
 * Column x of that picture lies at (x + 0.5) * across.step + across.start of the grid's width, and rows alike.
 */
export class Slicer {
  constructor(change, channel, columns, across, down) {
    const { width, height } = change;
    Object.assign(this, { width, height, columns, down, ...change.channels[channel] });
    this.lefts = new Int32Array(columns);
    this.shares = new Float32Array(columns);
    for (let x = 0; x < columns; x++) {
      const place = clamp((x + 0.5) * across.step + across.start - 0.5, 0, width - 1);
      // The last column has no neighbour on the right.
      this.lefts[x] = Math.min(Math.floor(place), Math.max(width - 2, 0));
      this.shares[x] = width === 1 ? 0 : place - this.lefts[x];
    }
    this.gain = new Float32Array(LEVELS * width + width + 1);
    this.offset = new Float32Array(LEVELS * width + width + 1);
  }

  /** Fill `result` with gain * value + offset for row `y`; `guide` is its brightness 0..1. */
  row(y, values, guide, result) {
    const { width, height, lefts, shares, gain, offset } = this;
    const place = clamp((y + 0.5) * this.down.step + this.down.start - 0.5, 0, height - 1);
    const top = Math.floor(place);
    const down = place - top;
    this.mix(this.gains, gain, top * width, Math.min(top + 1, height - 1) * width, down);
    this.mix(this.offsets, offset, top * width, Math.min(top + 1, height - 1) * width, down);
    for (let x = 0; x < this.columns; x++) {
      const level = guide[x] * (LEVELS - 1);
      const low = level >= LEVELS - 1 ? LEVELS - 2 : level | 0;
      const up = level - low;
      const left = low * width + lefts[x];
      const share = shares[x];
      const g0 = gain[left] + share * (gain[left + 1] - gain[left]);
      const g1 = gain[left + width] + share * (gain[left + width + 1] - gain[left + width]);
      const o0 = offset[left] + share * (offset[left + 1] - offset[left]);
      const o1 = offset[left + width] + share * (offset[left + width + 1] - offset[left + width]);
      result[x] = (g0 + up * (g1 - g0)) * values[x] + o0 + up * (o1 - o0);
    }
  }

  mix(grid, line, above, below, down) {
    const { width } = this;
    for (let level = 0; level < LEVELS; level++) {
      const plane = grid[level];
      const to = level * width;
      for (let x = 0; x < width; x++) line[to + x] = plane[above + x] + down * (plane[below + x] - plane[above + x]);
    }
  }
}

/** The change applied to the planes it was fitted to, or to others of that size. */
function appliedWhole(change, channel, plane, guide) {
  const { width, height } = change;
  const same = { start: 0, step: 1 };
  const slicer = new Slicer(change, channel, width, same, same);
  const result = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const row = (values) => values.subarray(y * width, (y + 1) * width);
    slicer.row(y, row(plane), row(guide), row(result));
  }
  return result;
}

/** Brightness 0..1 of 1 or 3 planes. */
export function brightness(planes) {
  if (planes.length === 1) return each((value) => clamp(value, 0, 1), planes[0]);
  const [r, g, b] = BRIGHTNESS;
  return each((red, green, blue) => clamp(r * red + g * green + b * blue, 0, 1), ...planes);
}

/** How soft `after` is against `before`: the deviation of a blur, in pixels, measured on the most detailed tiles. */
export function measureSoftness(before, after, width, height, foot) {
  const errors = new Float64Array(SOFTNESS.length);
  for (const tile of detailedTiles(before, width, height)) {
    const cut = (plane) => cutTile(plane, width, tile);
    const [tileBefore, tileAfter] = [before.map(cut), after.map(cut)];
    const guide = brightness(tileBefore);
    const levels = levelsOf(guide, tile.width, tile.height);
    SOFTNESS.forEach((reach, i) => {
      const soft = tileBefore.map((plane) => gaussian(plane, tile.width, tile.height, reach));
      const change = models(groundOf(soft, levels, tile.width, tile.height, foot), tileAfter);
      let sum = 0;
      soft.forEach((plane, channel) => {
        const shown = appliedWhole(change, channel, plane, guide);
        for (let j = 0; j < shown.length; j++) sum += (tileAfter[channel][j] - shown[j]) ** 2;
      });
      errors[i] += sum / (soft.length * guide.length);
    });
  }
  const least = Math.min(...errors);
  return SOFTNESS[errors.findIndex((error) => error <= least * SOFTNESS_MARGIN + 1e-7)];
}

function detailedTiles(planes, width, height) {
  const detail = new Float32Array(width * height);
  for (const plane of planes) {
    const soft = gaussian(plane, width, height, 1);
    for (let i = 0; i < detail.length; i++) detail[i] += Math.abs(plane[i] - soft[i]);
  }
  const tiles = [];
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      const tile = { top, left, width: Math.min(TILE, width - left), height: Math.min(TILE, height - top) };
      tile.detail = cutTile(detail, width, tile).reduce((sum, value) => sum + value, 0);
      tiles.push(tile);
    }
  }
  return tiles.sort((a, b) => b.detail - a.detail).slice(0, TILES);
}

function cutTile(plane, width, tile) {
  const result = new Float32Array(tile.width * tile.height);
  for (let y = 0; y < tile.height; y++) {
    const from = (tile.top + y) * width + tile.left;
    result.set(plane.subarray(from, from + tile.width), y * tile.width);
  }
  return result;
}

/** What the models of a change take of `before` alone; `levels` are the `levelsOf` their guide. */
function groundOf(before, levels, width, height, foot) {
  const halfWidth = (width + 1) >> 1;
  const halfHeight = (height + 1) >> 1;
  const blur = (plane) => gaussian(plane, width, height, SLOPE_REACH);
  const channels = before.map((plane) => {
    const mean = blur(plane);
    const variance = each((square, m) => Math.max(square - m * m, 0), blur(multiplied(plane, plane)), mean);
    return { mean, variance };
  });
  const vote = new Float32Array(before[0].length);
  for (const { variance } of channels) for (let i = 0; i < vote.length; i++) vote[i] += variance[i] / channels.length;
  for (let i = 0; i < vote.length; i++) vote[i] = 1 / (vote[i] + EDGE_VARIANCE);
  const half = (plane) => resize(plane, width, height, halfWidth, halfHeight);
  channels.forEach((channel, index) => {
    const spread = half(each((v, own) => v * (own + SLOPE_RIDGE), vote, channel.variance));
    const small = half(before[index]);
    channel.levels = levels.map(({ weight, totals }) => {
      const inLevel = (plane) => divided(gaussian(multiplied(plane, weight), halfWidth, halfHeight, GAIN_REACH / 2), totals);
      return { mean: inLevel(small), spread: inLevel(spread) };
    });
  });
  return { before, channels, vote, levels, width, height, halfWidth, halfHeight, foot };
}

/** Gains and offsets per level that turn the picture of a ground into `after`. */
function models({ before, channels, vote, levels, width, height, halfWidth, halfHeight, foot }, after) {
  const half = (plane) => resize(plane, width, height, halfWidth, halfHeight);
  const made = channels.map(({ mean, levels: known }, channel) => {
    const [was, is] = [before[channel], after[channel]];
    const together = half(slopes(was, is, mean, vote, width, height, foot));
    const small = half(is);
    const [gains, offsets] = [[], []];
    levels.forEach(({ weight, totals, fullWeight, fullTotals }, level) => {
      const inLevel = (plane) => gaussian(multiplied(plane, weight), halfWidth, halfHeight, GAIN_REACH / 2);
      const [shown, slope] = [inLevel(small), inLevel(together)];
      const { mean: meanBefore, spread } = known[level];
      for (let i = 0; i < slope.length; i++) {
        const most = Math.min(LARGEST_CONTRAST * lightRatio(meanBefore[i], shown[i] / totals[i], foot), LARGEST_GAIN);
        slope[i] = clamp(slope[i] / totals[i] / spread[i], 0, most);
      }
      const gain = grow(slope, halfWidth, halfHeight, width, height);
      const unexplained = new Float32Array(gain.length);
      for (let i = 0; i < gain.length; i++) unexplained[i] = (is[i] - gain[i] * was[i]) * fullWeight[i];
      gains.push(gain);
      offsets.push(divided(gaussian(unexplained, width, height, OFFSET_REACH), fullTotals));
    });
    return { gains, offsets };
  });
  return { width, height, channels: made };
}

/** How `after` goes with `before` around each pixel, as far as it counts there. */
function slopes(before, after, meanBefore, vote, width, height, foot) {
  const blur = (plane) => gaussian(plane, width, height, SLOPE_REACH);
  const meanAfter = blur(after);
  const result = blur(multiplied(before, after));
  for (let i = 0; i < result.length; i++) {
    const ratio = lightRatio(meanBefore[i], meanAfter[i], foot);
    result[i] = vote[i] * (result[i] - meanBefore[i] * meanAfter[i] + SLOPE_RIDGE * ratio);
  }
  return result;
}

/** How much each pixel counts at each level, at half and at full size. */
function levelsOf(guide, width, height) {
  const halfWidth = (width + 1) >> 1;
  const halfHeight = (height + 1) >> 1;
  const halfGuide = resize(guide, width, height, halfWidth, halfHeight);
  return Array.from({ length: LEVELS }, (_, index) => {
    const weight = levelWeight(halfGuide, index / (LEVELS - 1));
    const fullWeight = levelWeight(guide, index / (LEVELS - 1));
    return {
      weight,
      totals: gaussian(weight, halfWidth, halfHeight, GAIN_REACH / 2),
      fullWeight,
      fullTotals: gaussian(fullWeight, width, height, OFFSET_REACH),
    };
  });
}

function lightRatio(before, after, foot) {
  return clamp((after + foot) / (before + foot), 0.1, LARGEST_GAIN);
}

function levelWeight(guide, level) {
  const result = new Float32Array(guide.length);
  const steep = -0.5 / LEVEL_WIDTH ** 2;
  for (let i = 0; i < result.length; i++) {
    const off = guide[i] - level;
    result[i] = Math.exp(off * off * steep) + 1e-4;
  }
  return result;
}
