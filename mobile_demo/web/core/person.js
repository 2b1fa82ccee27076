/**
 * How far each pixel of a part belongs to people: a small soft mask that follows the photo's own edges.
 *
 * Source: He and Sun, "Fast Guided Filter", 2015.
 */

import { clamp } from "./numbers.js";
import { box, each } from "./planes.js";

const REACH = 6;
const EVENNESS = 1e-4;

export class PersonMask {
  /**
   * `small` is the part made small: {width, height, data (RGBA bytes)}; `mask` a plane 0..1 of that size;
   * `place` where the part lies in the photo: {left, top, width, height}.
   */
  constructor(small, mask, place) {
    Object.assign(this, { width: small.width, height: small.height, place });
    this.models = linearModels(small, mask);
  }

  /** Row `y` of a picture that is `scale` ({x, y}) times smaller than the photo, `count` pixels from `left` on. */
  row(y, left, count, target, scale) {
    const { width, height, place, models } = this;
    const down = clamp((((y + 0.5) * scale.y - place.top) * height) / place.height - 0.5, 0, height - 1);
    const above = Math.floor(down);
    const below = Math.min(above + 1, height - 1);
    const share = down - above;
    const result = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const x = left + i;
      const across = clamp((((x + 0.5) * scale.x - place.left) * width) / place.width - 0.5, 0, width - 1);
      const first = Math.floor(across);
      const second = Math.min(first + 1, width - 1);
      const part = across - first;
      const at = (plane) => {
        const upper = plane[above * width + first] * (1 - part) + plane[above * width + second] * part;
        const lower = plane[below * width + first] * (1 - part) + plane[below * width + second] * part;
        return upper + share * (lower - upper);
      };
      const pixel = 4 * (y * target.width + x);
      let value = at(models[3]);
      for (let c = 0; c < 3; c++) value += (at(models[c]) * target.data[pixel + c]) / 255;
      // Steeper than the filter left it, so that the inside is 1 and the background 0.
      result[i] = clamp((value - 0.5) * 1.25 + 0.5, 0, 1);
    }
    return result;
  }
}

/** Three slopes and an offset of the mask against the colours around each pixel. */
function linearModels({ width, height, data }, mask) {
  const mean = (plane) => box(plane, width, height, REACH, true);
  const guide = [0, 1, 2].map((c) => Float32Array.from({ length: width * height }, (_, i) => data[4 * i + c] / 255));
  const means = guide.map(mean);
  const meanMask = mean(mask);
  const covariance = guide.map((plane, c) =>
    each((product, a, b) => product - a * b, mean(each((a, b) => a * b, plane, mask)), means[c], meanMask),
  );
  const spread = (i, j) =>
    each((product, a, b) => product - a * b, mean(each((a, b) => a * b, guide[i], guide[j])), means[i], means[j]);
  const [rr, rg, rb, gg, gb, bb] = [spread(0, 0), spread(0, 1), spread(0, 2), spread(1, 1), spread(1, 2), spread(2, 2)];
  const slopes = [0, 1, 2].map(() => new Float32Array(mask.length));
  const offset = new Float32Array(mask.length);
  for (let i = 0; i < mask.length; i++) {
    const [a, d, f] = [rr[i] + EVENNESS, gg[i] + EVENNESS, bb[i] + EVENNESS];
    const [b, c, e] = [rg[i], rb[i], gb[i]];
    const [p, q, r] = covariance.map((plane) => plane[i]);
    const [A, B, C] = [d * f - e * e, c * e - b * f, b * e - c * d];
    const determinant = a * A + b * B + c * C;
    const found = [
      (A * p + B * q + C * r) / determinant,
      (B * p + (a * f - c * c) * q + (b * c - a * e) * r) / determinant,
      (C * p + (b * c - a * e) * q + (a * d - b * b) * r) / determinant,
    ];
    let rest = meanMask[i];
    for (let k = 0; k < 3; k++) {
      slopes[k][i] = found[k];
      rest -= found[k] * means[k][i];
    }
    offset[i] = rest;
  }
  return [...slopes, offset].map(mean);
}
