/** Changing how light pixels are without changing what colour they are; see tf_relight/photo/lightness.py. */

import { LINEAR_OF_BYTE, LUMINANCE, byteOfLinear, fromLuminance, luminance, toLuminance } from "./colour.js";
import { clamp, percentile } from "./numbers.js";

const BLACK = 2e-3;
const KNEE = 0.7;
const CEILING = 0.974;
const [RED, GREEN, BLUE] = LUMINANCE;

/** Tables for what is asked of every pixel, read with linear interpolation; off by at most 2e-6. */
const STEPS = 8192;
const LIGHTNESS = Float32Array.from({ length: STEPS + 2 }, (_, i) => fromLuminance(i / STEPS));
/** Over factor / (1 + factor), which is below 1. */
const KEPT = Float32Array.from({ length: STEPS + 2 }, (_, i) => {
  const power = Math.log(Math.max(i / Math.max(STEPS - i, 1e-3), 0.1));
  return Math.exp(-power / 12 - Math.max(power, 0) / 12);
});

function looked(table, value) {
  const place = value * STEPS;
  const below = place | 0;
  return table[below] + (place - below) * (table[below + 1] - table[below]);
}

/** L / 100 of one RGBA pixel at byte offset `at`. */
export function lightnessAt(pixels, at) {
  return looked(LIGHTNESS, luminanceAt(pixels, at));
}

function luminanceAt(pixels, at) {
  return (
    RED * LINEAR_OF_BYTE[pixels[at]] + GREEN * LINEAR_OF_BYTE[pixels[at + 1]] + BLUE * LINEAR_OF_BYTE[pixels[at + 2]]
  );
}

/** Fill `result` with the lightness of `count` RGBA pixels from byte offset `at` on. */
export function lightnessRow(pixels, at, count, result) {
  for (let i = 0; i < count; i++) result[i] = lightnessAt(pixels, at + 4 * i);
  return result;
}

/** A light's colour made ready for pixels; `before` and `after` are lightness from all over the picture. */
export function tintOf({ shadow, lit }, before, after) {
  const ratios = Float64Array.from(before, (value, i) => (toLuminance(after[i]) + BLACK) / (toLuminance(value) + BLACK));
  return { shadow, lit, dark: luminance(shadow), bright: luminance(lit), fullRatio: percentile(ratios, 95) };
}

/**
 * Write `count` RGBA pixels under another lightness; where `reach` is 0 they stay exactly as they are.
 * `tint` is what `tintOf` made, or null for neutral light.
 */
export function relitRow(pixels, at, count, after, reach, tint, result, to) {
  for (let i = 0; i < count; i++) {
    const from = at + 4 * i;
    const target = to + 4 * i;
    result[target + 3] = pixels[from + 3];
    if (reach[i] === 0) {
      result[target] = pixels[from];
      result[target + 1] = pixels[from + 1];
      result[target + 2] = pixels[from + 2];
      continue;
    }
    const red = LINEAR_OF_BYTE[pixels[from]];
    const green = LINEAR_OF_BYTE[pixels[from + 1]];
    const blue = LINEAR_OF_BYTE[pixels[from + 2]];
    const bright = RED * red + GREEN * green + BLUE * blue;
    const ratio = (toLuminance(after[i]) + BLACK) / (bright + BLACK);
    let f0 = ratio;
    let f1 = ratio;
    let f2 = ratio;
    let k0 = 0;
    let k1 = 0;
    let k2 = 0;
    if (tint === null) {
      k0 = k1 = k2 = keptSaturation(ratio);
    } else {
      const { shadow, lit } = tint;
      const received = (tint.bright * ratio) / tint.fullRatio;
      const share = clamp((received - tint.dark) / Math.max(tint.bright - tint.dark, 1e-3), 0, 1);
      const c0 = shadow[0] + share * (lit[0] - shadow[0]);
      const c1 = shadow[1] + share * (lit[1] - shadow[1]);
      const c2 = shadow[2] + share * (lit[2] - shadow[2]);
      const grey = RED * c0 + GREEN * c1 + BLUE * c2;
      f0 = ratio * (1 + reach[i] * (c0 / grey - 1));
      f1 = ratio * (1 + reach[i] * (c1 / grey - 1));
      f2 = ratio * (1 + reach[i] * (c2 / grey - 1));
      k0 = keptSaturation(f0);
      k1 = keptSaturation(f1);
      k2 = keptSaturation(f2);
    }
    let r = Math.max(red * k0 + (1 - k0) * bright, 0) * f0;
    let g = Math.max(green * k1 + (1 - k1) * bright, 0) * f1;
    let b = Math.max(blue * k2 + (1 - k2) * bright, 0) * f2;
    const loudest = Math.max(r, g, b);
    if (loudest > KNEE) {
      const alike = shoulder(loudest, Math.max(red, green, blue)) / loudest;
      r = 0.5 * (shoulder(r, red) + r * alike);
      g = 0.5 * (shoulder(g, green) + g * alike);
      b = 0.5 * (shoulder(b, blue) + b * alike);
    }
    result[target] = byteOfLinear(r);
    result[target + 1] = byteOfLinear(g);
    result[target + 2] = byteOfLinear(b);
  }
}

/** Share of its saturation that light keeps when multiplied by a factor. */
function keptSaturation(factor) {
  return looked(KEPT, factor > 0.1 ? factor / (1 + factor) : 0.1 / 1.1);
}

/** Light bent below white above the knee, or above what it was before if that is brighter. */
function shoulder(light, before) {
  const knee = Math.max(before, KNEE);
  if (light <= knee) return light;
  const room = Math.max(before, CEILING) - knee;
  const over = light - knee;
  return (room * over) / Math.sqrt(room * room + over * over + 1e-12) + knee;
}
