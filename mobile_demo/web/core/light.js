/** Lights by angles, presets and colours, and what a network takes of them. */

import { byteOfLinear, planckianRgb } from "./colour.js";
import { BAND, COEFFICIENTS, EXPONENT, basis, brightest, dot, onAFace, toLightness, visible } from "./harmonics.js";
import { clamp } from "./numbers.js";

const USUAL_AMBIENT = 0.87;
const AMBIENT_SHARE = 0.2;
export const USUAL_SOFTNESS = 0.2;
export const NEUTRAL_KELVIN = 6500;
export const WARMEST = 1000;
export const COLDEST = 15000;
/** Shares of the colours in a light's grey. Source: DPR's data preparation. */
const GREY = [0.299, 0.587, 0.114];

const TRAINED_ON = [0.5, 1.1];
const FARTHEST = [0.4, 1.25];
const BRIGHTEST = 1.35;
const LEVELS = [0.6, 0.75];
const MOST_MORE = 1.6;
const BRIGHTER_SIDE = 1.3;
const LEAST_READ = 0.05;
const USUAL_LEVEL = 0.8;
const CALMED = [1, 0.85, 0.45];

const lamp = (azimuth, elevation, weight = 1, temperature = null, softness = USUAL_SOFTNESS) => ({
  azimuth,
  elevation,
  weight,
  temperature,
  softness,
});

/** Lights by the words photographers use; left and right are those of the picture. */
export const PRESETS = {
  front: { lamps: [lamp(0, 0)], ambient: 0.35 },
  butterfly: { lamps: [lamp(0, 50)] },
  clamshell: { lamps: [lamp(0, 45), lamp(0, -35, 0.45)] },
  loop: { lamps: [lamp(-35, 35)] },
  rembrandt: { lamps: [lamp(-55, 42)], ambient: 0.2 },
  split: { lamps: [lamp(-90, 5)], ambient: 0.2 },
  broad: { lamps: [lamp(50, 15, 1, null, 0.5)], ambient: 0.3 },
  rim: { lamps: [lamp(-145, 25), lamp(145, 25)], ambient: 0.3 },
  horror: { lamps: [lamp(0, -60)], ambient: 0.2 },
  top: { lamps: [lamp(0, 80)] },
  window_left: { lamps: [lamp(-75, 10, 1, 6000, 0.45)], temperature: 7000 },
  window_right: { lamps: [lamp(75, 10, 1, 6000, 0.45)], temperature: 7000 },
  golden_hour: { lamps: [lamp(65, 12, 1, 3400, 0.05)], temperature: 7000 },
  blue_hour: { lamps: [lamp(0, 60, 1, 11000, 0.8)], ambient: 0.6, temperature: 11000 },
  candle: { lamps: [lamp(20, -20, 1, 1900)], ambient: 0.2, temperature: 2400 },
  overcast: { lamps: [lamp(0, 85, 1, null, 0.9)], ambient: 0.5 },
  studio: { lamps: [lamp(-45, 35), lamp(50, 10, 0.45), lamp(160, 40, 0.35)] },
  ambient: { lamps: [] },
};

/** Unit vector toward a light. Azimuth 0 is the camera, 90 the picture's right; elevation goes up; degrees. */
export function direction(azimuth, elevation) {
  const a = (azimuth * Math.PI) / 180;
  const e = (elevation * Math.PI) / 180;
  return [Math.sin(a) * Math.cos(e), -Math.cos(a) * Math.cos(e), Math.sin(e)];
}

/** The light of a lamp over even light: nine numbers for each of red, green and blue, linear. */
export function fromDirection(azimuth, elevation, softness = USUAL_SOFTNESS) {
  return mixed([lamp(azimuth, elevation, 1, null, softness)], AMBIENT_SHARE, [1, 1, 1]);
}

export function fromPreset(name) {
  const preset = PRESETS[name];
  return mixed(preset.lamps, preset.ambient ?? 0.25, kelvinTint(preset.temperature ?? null));
}

function mixed(lamps, ambient, ambientTint) {
  const total = lamps.reduce((sum, each) => sum + each.weight, 0);
  return [0, 1, 2].map((channel) => {
    const values = new Array(COEFFICIENTS).fill(0);
    for (const each of lamps) {
      const bands = sourceBands(each.softness);
      const point = basis(direction(each.azimuth, each.elevation), false);
      const strength = (each.weight / total) * kelvinTint(each.temperature)[channel];
      for (let i = 0; i < COEFFICIENTS; i++) values[i] += (strength * bands[BAND[i]] * point[i]) / point[0];
    }
    const share = lamps.length ? ambient : 1;
    return values.map((value, i) => USUAL_AMBIENT * ((1 - share) * value + (i === 0 ? share * ambientTint[channel] : 0)));
  });
}

function sourceBands(softness) {
  const cosine = Math.cos((Math.PI / 2) * softness);
  return [1, (1 + cosine) / 2, (cosine * (1 + cosine)) / 2];
}

function kelvinTint(kelvin) {
  if (kelvin === null) return [1, 1, 1];
  const neutral = planckianRgb(NEUTRAL_KELVIN);
  const tint = planckianRgb(kelvin).map((value, i) => Math.max(value / neutral[i], 0));
  const grey = tint[0] * GREY[0] + tint[1] * GREY[1] + tint[2] * GREY[2];
  return tint.map((value) => value / grey);
}

/** Nine numbers of a light's grey. */
export function greyOf(light) {
  return light[0].map((_, i) => light[0][i] * GREY[0] + light[1][i] * GREY[1] + light[2][i] * GREY[2]);
}

/** Azimuth and elevation in degrees of a light's main direction; both 0 for even light. */
export function anglesOf(light) {
  const [one, y, z, x] = greyOf(light);
  if (Math.hypot(x, y, z) < 1e-9 * Math.abs(one)) return [0, 0];
  return [Math.atan2(x, -y), Math.atan2(z, Math.hypot(x, y))].map((angle) => (angle * 180) / Math.PI);
}

/**
 * A light as the network takes it: its nine numbers, the photo's own taken alike, and by what the drawn lightness
 * is multiplied. `own` is what the network read from the photo, told in lightness.
 */
export function exposed(light, own) {
  const grey = greyOf(light);
  const values = toLightness(grey);
  const usual = own[0] < LEAST_READ ? values.map((_, i) => (i === 0 ? USUAL_LEVEL : 0)) : inRange(own);
  const exposure = Math.min(
    onAFace(usual) / Math.max(onAFace(values), 1e-6),
    (MOST_MORE * usual[0]) / values[0],
    (BRIGHTER_SIDE * brightest(usual)) / brightest(values),
  );
  const wanted = exposure * Math.pow(grey[0] / USUAL_AMBIENT, EXPONENT);
  const there = levelled(values.map((value) => value * wanted));
  const here = levelled(usual);
  return { numbers: there.numbers, own: here.numbers, gain: there.gain / here.gain };
}

function levelled(values) {
  const first = Math.max(values[0], 1e-6);
  const scale = Math.min(clamp(first, ...LEVELS) / first, BRIGHTEST / brightest(values));
  return { numbers: values.map((value) => value * scale), gain: 1 / scale };
}

function inRange(values) {
  const first = Math.max(values[0], 1e-6);
  const [[least, most], [lowest, highest]] = [TRAINED_ON, FARTHEST];
  let wanted = first;
  if (first > most) wanted = highest - (highest - most) * Math.exp((most - first) / (highest - most));
  else if (first < least) wanted = lowest + (least - lowest) * Math.exp((first - least) / (least - lowest));
  const scaled = values.map((value) => (value * wanted) / first);
  const limit = Math.min(1, BRIGHTEST / brightest(scaled));
  return scaled.map((value) => value * limit);
}

/** Whether a light, or the temperature given with it, is not neutral. */
export function hasColour(light, kelvin) {
  if (kelvin !== null) return true;
  return sides(light, kelvin).some((side) => {
    const mean = (side[0] + side[1] + side[2]) / 3;
    return Math.max(...side) - Math.min(...side) >= 1e-3 * mean;
  });
}

/** Linear RGB of what reaches the shadow side and the lit side; a temperature colours the directed part. */
export function lightColour(light, kelvin) {
  let [shadow, lit] = sides(light, kelvin);
  if (kelvin !== null) {
    const neutral = planckianRgb(NEUTRAL_KELVIN);
    const tint = planckianRgb(kelvin).map((value, i) => value / neutral[i]);
    const mean = (side) => (side[0] + side[1] + side[2]) / 3;
    const dark = mean(shadow);
    const more = mean(lit) - dark;
    shadow = [dark, dark, dark];
    lit = tint.map((value) => dark + more * value);
  }
  return { shadow, lit };
}

function sides(light, kelvin) {
  const told =
    kelvin === null ? light.map((channel) => channel.map((value, i) => value * CALMED[BAND[i]])) : light;
  let darkest = null;
  let most = null;
  for (const { row } of visible()) {
    const colour = told.map((channel) => Math.max(dot(row, channel), 0));
    const brightness = colour[0] + colour[1] + colour[2];
    if (!darkest || brightness < darkest.brightness) darkest = { colour, brightness };
    if (!most || brightness > most.brightness) most = { colour, brightness };
  }
  return [darkest, most].map(({ colour }) => colour.map((value) => value + 1e-3));
}

/** The ball under a light, reflecting half of it, as RGBA bytes, side x side; transparent around the ball. */
export function ballPicture(light, side) {
  const pixels = new Uint8ClampedArray(4 * side * side);
  const { places, rows } = ballOf(side);
  const [red, green, blue] = light.map((channel) => Float64Array.from(channel));
  for (let i = 0; i < places.length; i++) {
    let r = 0;
    let g = 0;
    let b = 0;
    for (let j = 0; j < COEFFICIENTS; j++) {
      const value = rows[COEFFICIENTS * i + j];
      r += value * red[j];
      g += value * green[j];
      b += value * blue[j];
    }
    pixels[places[i]] = byteOfLinear(0.5 * r);
    pixels[places[i] + 1] = byteOfLinear(0.5 * g);
    pixels[places[i] + 2] = byteOfLinear(0.5 * b);
    pixels[places[i] + 3] = 255;
  }
  return pixels;
}

const balls = new Map();

/** Byte offsets of a ball's pixels, and the harmonics at their normals, nine each. */
function ballOf(side) {
  if (!balls.has(side)) {
    const [places, rows] = [[], []];
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const x = (2 * column) / (side - 1) - 1;
        const z = 1 - (2 * row) / (side - 1);
        if (x * x + z * z > 1) continue;
        places.push(4 * (row * side + column));
        rows.push(...basis([x, -Math.sqrt(1 - x * x - z * z), z]));
      }
    }
    balls.set(side, { places: Int32Array.from(places), rows: Float64Array.from(rows) });
  }
  return balls.get(side);
}
