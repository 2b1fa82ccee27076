/** Heads that are tilted reach networks upright; see tf_relight/relighting/turning.py. */

import { clamp } from "./numbers.js";

const UPRIGHT = 8;
const TURNED = 16;

/** By how many degrees a head that is tilted so far, clockwise, is turned. */
export function turnOf(tilt) {
  const least = ((((tilt + 180) % 360) + 360) % 360) - 180;
  return least * clamp((Math.abs(least) - UPRIGHT) / (TURNED - UPRIGHT), 0, 1);
}

/** A square plane turned clockwise about its middle; corners from outside repeat the border. */
export function turned(plane, side, degrees) {
  if (degrees === 0) return plane;
  const [right, down] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const middle = (side - 1) / 2;
  const result = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const column = clamp((x - middle) * right + (y - middle) * down + middle, 0, side - 1);
      const row = clamp((y - middle) * right - (x - middle) * down + middle, 0, side - 1);
      result[y * side + x] = between(plane, side, column, row);
    }
  }
  return result;
}

/** The value between four pixels. */
function between(plane, side, column, row) {
  const left = clamp(Math.floor(column), 0, Math.max(side - 2, 0));
  const top = clamp(Math.floor(row), 0, Math.max(side - 2, 0));
  const [right, bottom] = [Math.min(left + 1, side - 1), Math.min(top + 1, side - 1)];
  const [across, down] = [column - left, row - top];
  const upper = plane[top * side + left] * (1 - across) + plane[top * side + right] * across;
  const lower = plane[bottom * side + left] * (1 - across) + plane[bottom * side + right] * across;
  return upper * (1 - down) + lower * down;
}
