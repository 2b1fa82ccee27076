/** Colour: sRGB, linear light and CIE Lab, and the colour of a lamp from its temperature. */

const RGB_TO_XYZ = [
  [0.4123907993, 0.3575843394, 0.1804807884],
  [0.2126390059, 0.7151686788, 0.0721923154],
  [0.0193308187, 0.1191947798, 0.9505321522],
];
const WHITE = RGB_TO_XYZ.map((row) => row[0] + row[1] + row[2]);
const DELTA = 6 / 29;

/** Shares of red, green and blue in the luminance of linear light. */
export const LUMINANCE = RGB_TO_XYZ[1];
const XYZ_TO_RGB = inverse(RGB_TO_XYZ);

export function srgbToLinear(value) {
  return value <= 0.04045 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
}

export function linearToSrgb(value) {
  return value <= 0.0031308 ? value * 12.92 : 1.055 * Math.pow(value, 1 / 2.4) - 0.055;
}

export function luminance([red, green, blue]) {
  return red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2];
}

/** L 0..100, a and b of an sRGB colour 0..1; white is exactly 100, 0, 0. */
export function rgbToLab(rgb) {
  const xyz = times(RGB_TO_XYZ, rgb.map(srgbToLinear));
  const [x, y, z] = xyz.map((value, i) => {
    const ratio = value / WHITE[i];
    return ratio > DELTA ** 3 ? Math.cbrt(ratio) : ratio / (3 * DELTA * DELTA) + 4 / 29;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** The way back; colours outside sRGB leave 0..1. */
export function labToRgb([lightness, a, b]) {
  const y = (lightness + 16) / 116;
  const xyz = [y + a / 500, y, y - b / 200].map((value, i) => {
    const ratio = value > DELTA ? value ** 3 : 3 * DELTA * DELTA * (value - 4 / 29);
    return ratio * WHITE[i];
  });
  return times(XYZ_TO_RGB, xyz).map(linearToSrgb);
}

/**
 * Linear sRGB of a black body of 1000 to 15000 kelvin, luminance 1.
 * Source: Krystek, "An algorithm to calculate correlated colour temperature", 1985.
 */
export function planckianRgb(kelvin) {
  const t = kelvin;
  const u =
    (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t);
  const v =
    (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t);
  const scale = 2 * u - 8 * v + 4;
  const x = (3 * u) / scale;
  const y = (2 * v) / scale;
  return times(XYZ_TO_RGB, [x / y, 1, (1 - x - y) / y]);
}

/** L of Lab / 100, 0..1, of relative luminance 0..1. */
export function fromLuminance(value) {
  return value > 216 / 24389 ? 1.16 * Math.cbrt(value) - 0.16 : value * (24389 / 2700);
}

/** Relative luminance of L / 100. */
export function toLuminance(value) {
  if (value <= 0.08) return value * (2700 / 24389);
  const root = (value + 0.16) / 1.16;
  return root * root * root;
}

/** Linear light of each 8-bit sRGB value. */
export const LINEAR_OF_BYTE = Float32Array.from({ length: 256 }, (_, i) => srgbToLinear(i / 255));

const STEPS = 65535;
const BYTE_OF_STEP = Uint8Array.from({ length: STEPS + 1 }, (_, i) => Math.round(linearToSrgb(i / STEPS) * 255));

/** The 8-bit sRGB value of linear light; what is outside 0..1 is cut off. */
export function byteOfLinear(value) {
  if (!(value > 0)) return 0;
  return value >= 1 ? 255 : BYTE_OF_STEP[(value * STEPS + 0.5) | 0];
}

function times(matrix, vector) {
  return matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
