/** Pictures of any shape in networks that take squares: mirrored at the right and below, and cut out again. */

export function toSquare(plane, width, height, side) {
  if (width === side && height === side) return plane;
  const columns = mirrored(width, side);
  const rows = mirrored(height, side);
  const result = new Float32Array(side * side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) result[y * side + x] = plane[rows[y] * width + columns[x]];
  return result;
}

export function fromSquare(plane, side, width, height) {
  if (width === side && height === side) return plane;
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y++) result.set(plane.subarray(y * side, y * side + width), y * width);
  return result;
}

function mirrored(size, side) {
  const period = Math.max(2 * (size - 1), 1);
  return Array.from({ length: side }, (_, i) => Math.max(size - 1 - Math.abs((i % period) - (size - 1)), 0));
}
