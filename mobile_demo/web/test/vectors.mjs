/** The numbers shared by Python, JavaScript and Kotlin. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
}

const KINDS = { float32: Float32Array, uint8: Uint8Array, uint16: Uint16Array };

/** The numbers of an array told as base64. */
export function arrayOf({ type, base64 }) {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new KINDS[type](bytes.buffer);
}

/** Planes (H, W, C) taken apart. */
export function planesOf(told) {
  const values = arrayOf(told);
  const channels = told.shape[2] ?? 1;
  return Array.from({ length: channels }, (_, c) =>
    Float32Array.from({ length: values.length / channels }, (_, i) => values[i * channels + c]),
  );
}

export function assertNear(found, wanted, tolerance, what) {
  assert.equal(found.length, wanted.length, what);
  for (let i = 0; i < wanted.length; i++) {
    const off = Math.abs(found[i] - wanted[i]);
    assert.ok(off <= tolerance, `${what}: number ${i} is ${found[i]}, not ${wanted[i]} (off by ${off})`);
  }
}

/** RGBA bytes of RGB bytes. */
export function rgbaOf(rgb) {
  const result = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let i = 0; i < rgb.length / 3; i++) for (let c = 0; c < 3; c++) result[4 * i + c] = rgb[3 * i + c];
  return result;
}

/** Decibels between RGBA and RGB bytes. */
export function psnr(rgba, rgb) {
  let sum = 0;
  for (let i = 0; i < rgb.length / 3; i++) for (let c = 0; c < 3; c++) sum += (rgba[4 * i + c] - rgb[3 * i + c]) ** 2;
  return sum === 0 ? Infinity : 10 * Math.log10((255 * 255 * rgb.length) / sum);
}
