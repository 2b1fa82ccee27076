/** Planes of floating point numbers, row by row: other sizes, and blurs. They follow OpenCV's rules. */

import { clamp } from "./numbers.js";

/** A plane at another size: means of areas along a side that shrinks, linear along one that grows. */
export function resize(plane, width, height, toWidth, toHeight) {
  const shrink = areaWeights(width, Math.min(width, toWidth));
  const across = alongRows(plane, width, height, shrink);
  const small = alongColumns(across, shrink.length, height, areaWeights(height, Math.min(height, toHeight)));
  return grow(small, shrink.length, Math.min(height, toHeight), toWidth, toHeight);
}

/** A plane that grows, with linear interpolation between the middles of pixels. */
export function grow(plane, width, height, toWidth, toHeight) {
  if (width === toWidth && height === toHeight) return plane;
  const across = alongRows(plane, width, height, linearWeights(width, toWidth));
  return alongColumns(across, toWidth, height, linearWeights(height, toHeight));
}

/** A picture made small row by row, so that the large one need not be kept: `row(y)` gives each in turn. */
export function shrinkRows(row, width, height, toWidth, toHeight) {
  const small = new Float32Array(toWidth * toHeight);
  const [columns, rows] = [areaWeights(width, toWidth), areaWeights(height, toHeight)];
  let y = -1;
  let across = null;
  for (let target = 0; target < toHeight; target++) {
    const first = rows.firsts[target];
    for (let i = 0; i < rows.counts[target]; i++) {
      // Neighbouring targets may share a row.
      if (first + i !== y) {
        y = first + i;
        across = alongRows(row(y), width, 1, columns);
      }
      const weight = rows.weights[target * rows.most + i];
      for (let x = 0; x < toWidth; x++) small[target * toWidth + x] += weight * across[x];
    }
  }
  return small;
}

/** What each target takes from which sources, {firsts, most, weights: `most` of each}, where a side shrinks. */
const areaWeights = remembered((size, target) => {
  const scale = size / target;
  return packed(target, (i) => {
    const [from, to] = [i * scale, Math.min((i + 1) * scale, size)];
    const first = Math.min(Math.floor(from + 1e-9), size - 1);
    const last = Math.max(first + 1, Math.min(size, Math.ceil(to - 1e-9)));
    const weights = [];
    for (let j = first; j < last; j++) weights.push((Math.min(to, j + 1) - Math.max(from, j)) / (to - from));
    return { first, weights };
  });
});

const linearWeights = remembered((size, target) => {
  return packed(target, (i) => {
    const place = clamp(((i + 0.5) * size) / target - 0.5, 0, size - 1);
    const first = Math.min(Math.floor(place), Math.max(size - 2, 0));
    const share = place - first;
    return size === 1 ? { first: 0, weights: [1] } : { first, weights: [1 - share, share] };
  });
});

/** The same for all targets in arrays that loops run over quickly; `counts` says how many weights each has. */
function packed(target, make) {
  const all = Array.from({ length: target }, (_, i) => make(i));
  const most = Math.max(...all.map(({ weights }) => weights.length));
  const [firsts, counts] = [new Int32Array(target), new Int32Array(target)];
  const weights = new Float64Array(target * most);
  all.forEach((each, i) => {
    firsts[i] = each.first;
    counts[i] = each.weights.length;
    weights.set(each.weights, i * most);
  });
  return { firsts, counts, most, weights, length: target };
}

/** The function of two numbers, its last few answers kept: planes of the same sizes come again and again. */
function remembered(make) {
  const known = new Map();
  return (size, target) => {
    const key = `${size} ${target}`;
    if (!known.has(key)) {
      if (known.size >= 16) known.delete(known.keys().next().value);
      known.set(key, make(size, target));
    }
    return known.get(key);
  };
}

function alongRows(plane, width, height, { firsts, counts, most, weights, length }) {
  const result = new Float32Array(length * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < length; x++) {
      const from = y * width + firsts[x];
      const at = x * most;
      let sum = 0;
      for (let i = 0; i < counts[x]; i++) sum += weights[at + i] * plane[from + i];
      result[y * length + x] = sum;
    }
  }
  return result;
}

function alongColumns(plane, width, height, { firsts, counts, most, weights, length }) {
  const result = new Float32Array(width * length);
  for (let y = 0; y < length; y++) {
    for (let i = 0; i < counts[y]; i++) {
      const weight = weights[y * most + i];
      const from = (firsts[y] + i) * width;
      for (let x = 0; x < width; x++) result[y * width + x] += weight * plane[from + x];
    }
  }
  return result;
}

/** A plane under a Gaussian of that deviation in pixels, its border repeated. */
export function gaussian(plane, width, height, deviation) {
  if (deviation === 0) return plane;
  const reach = (Math.round(deviation * 8 + 1) | 1) >> 1;
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)));
  const total = kernel.reduce((sum, value) => sum + value, 0);
  return convolved(plane, width, height, Float32Array.from(kernel, (value) => value / total), reach);
}

function convolved(plane, width, height, kernel, reach) {
  const padded = new Float32Array(width + 2 * reach);
  const across = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    padded.fill(plane[row], 0, reach);
    padded.set(plane.subarray(row, row + width), reach);
    padded.fill(plane[row + width - 1], reach + width);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let i = 0; i < kernel.length; i++) sum += kernel[i] * padded[x + i];
      across[row + x] = sum;
    }
  }
  const result = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < kernel.length; i++) {
      const from = clamp(y + i - reach, 0, height - 1) * width;
      const weight = kernel[i];
      for (let x = 0; x < width; x++) result[y * width + x] += weight * across[from + x];
    }
  }
  return result;
}

/** The mean over windows of 2 reach + 1 pixels; `mirrored` borders leave the outermost pixel single. */
export function box(plane, width, height, reach, mirrored = false) {
  const inside = (place, size) => {
    if (!mirrored || size === 1) return clamp(place, 0, size - 1);
    const period = 2 * (size - 1);
    const there = ((place % period) + period) % period;
    return there < size ? there : period - there;
  };
  const side = 2 * reach + 1;
  const across = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let sum = 0;
    for (let i = -reach; i <= reach; i++) sum += plane[row + inside(i, width)];
    for (let x = 0; x < width; x++) {
      across[row + x] = sum / side;
      sum += plane[row + inside(x + reach + 1, width)] - plane[row + inside(x - reach, width)];
    }
  }
  const result = new Float32Array(plane.length);
  const sums = new Float64Array(width);
  const add = (y, sign) => {
    const row = inside(y, height) * width;
    for (let x = 0; x < width; x++) sums[x] += sign * across[row + x];
  };
  for (let i = -reach; i <= reach; i++) add(i, 1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[y * width + x] = sums[x] / side;
    add(y + reach + 1, 1);
    add(y - reach, -1);
  }
  return result;
}

export function multiplied(a, b) {
  const result = new Float32Array(a.length);
  for (let i = 0; i < result.length; i++) result[i] = a[i] * b[i];
  return result;
}

export function divided(a, b) {
  const result = new Float32Array(a.length);
  for (let i = 0; i < result.length; i++) result[i] = a[i] / b[i];
  return result;
}

/** A plane of the same size made of one or more others, number by number. */
export function each(make, ...planes) {
  const result = new Float32Array(planes[0].length);
  const [a, b, c, d] = planes;
  for (let i = 0; i < result.length; i++) result[i] = make(a[i], b?.[i], c?.[i], d?.[i]);
  return result;
}
