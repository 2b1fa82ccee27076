/** The portrait network as pictures of any shape meet it. */

/** What becomes of nine numbers of light when left and right change places. */
const MIRRORED_SIGNS = [1, 1, 1, -1, -1, 1, 1, -1, 1];

export class PortraitNetwork {
  /**
   * `once(square, numbers)` resolves to {relit, light} for a plane of side x side. With `mirrored` the answer is the
   * mean with that to the mirror image under the mirrored light, so that left and right are alike to it.
   */
  constructor(side, once, mirrored) {
    Object.assign(this, { side, once, mirrored });
  }

  /** Relight a plane no longer than `side`: {relit, light}. */
  async run(plane, width, height, numbers) {
    const there = await this.pass(plane, width, height, numbers);
    if (!this.mirrored) return there;
    const signed = (values) => Float32Array.from(values, (value, i) => value * MIRRORED_SIGNS[i]);
    const back = await this.pass(flipped(plane, width), width, height, signed(numbers));
    const other = flipped(back.relit, width);
    const light = signed(back.light);
    return {
      relit: there.relit.map((value, i) => (value + other[i]) / 2),
      light: Float32Array.from(there.light, (value, i) => (value + light[i]) / 2),
    };
  }

  async pass(plane, width, height, numbers) {
    const { relit, light } = await this.once(toSquare(plane, width, height, this.side), Float32Array.from(numbers));
    return { relit: fromSquare(relit, this.side, width, height), light };
  }
}

function flipped(plane, width) {
  const result = new Float32Array(plane.length);
  for (let row = 0; row < plane.length; row += width) {
    for (let x = 0; x < width; x++) result[row + x] = plane[row + width - 1 - x];
  }
  return result;
}

/** A picture in the middle of a square, continued by its mirror image; see tf_relight/relighting/squares.py. */
export function toSquare(plane, width, height, side) {
  if (width === side && height === side) return plane;
  const columns = mirroredPlaces(width, side);
  const rows = mirroredPlaces(height, side);
  const result = new Float32Array(side * side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) result[y * side + x] = plane[rows[y] * width + columns[x]];
  return result;
}

export function fromSquare(plane, side, width, height) {
  if (width === side && height === side) return plane;
  const result = new Float32Array(width * height);
  const first = ((side - height) >> 1) * side + ((side - width) >> 1);
  for (let y = 0; y < height; y++) result.set(plane.subarray(first + y * side, first + y * side + width), y * width);
  return result;
}

function mirroredPlaces(size, side) {
  const before = (side - size) >> 1;
  return Array.from({ length: side }, (_, i) => {
    const place = (((i - before) % (2 * size)) + 2 * size) % (2 * size);
    return place < size ? place : 2 * size - 1 - place;
  });
}
