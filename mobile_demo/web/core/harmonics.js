/**
 * Nine numbers of light: second-order spherical harmonics in frame "dpr" (x right, y into the picture, z up), in
 * the order 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2; and the same light told in lightness, as networks take it.
 */

export const COEFFICIENTS = 9;
export const BAND = [0, 1, 1, 1, 2, 2, 2, 2, 2];
/** Lightness is linear light to about this power. */
export const EXPONENT = 0.42;
const SPHERE_POINTS = 1024;

const ATTENUATION = [Math.PI, (2 * Math.PI) / 3, Math.PI / 4];
const ONE = Math.sqrt(1 / (4 * Math.PI));
const LINEAR = Math.sqrt(3 / (4 * Math.PI));
const MIXED = Math.sqrt(15 / (4 * Math.PI));
const ZONAL = Math.sqrt(5 / (16 * Math.PI));
const DIFFERENCE = Math.sqrt(15 / (16 * Math.PI));

/** The nine harmonics at a unit normal; `attenuated` with what a matt surface leaves of them. */
export function basis([x, y, z], attenuated = true) {
  const values = [
    ONE,
    LINEAR * y,
    LINEAR * z,
    LINEAR * x,
    MIXED * x * y,
    MIXED * y * z,
    ZONAL * (3 * z * z - 1),
    MIXED * x * z,
    DIFFERENCE * (x * x - y * y),
  ];
  return attenuated ? values.map((value, i) => value * ATTENUATION[BAND[i]]) : values;
}

/** What a matt surface with this normal receives of a light. */
export function shading(normal, light) {
  return dot(basis(normal), light);
}

/** Nine numbers of a light that is turned clockwise in the picture, by degrees. */
export function turnedNumbers(numbers, degrees) {
  const angle = (degrees * Math.PI) / 180;
  const [one, y, z, x, xy, yz, zonal, xz, difference] = numbers;
  const [across, up] = turnedPair(x, z, angle);
  const [acrossInward, upInward] = turnedPair(xy, yz, angle);
  // Of what is left, z^2-x^2 and 2xz turn twice as fast, and 3y^2-1 stays.
  const stays = (zonal + Math.sqrt(3) * difference) / 2;
  const [mixed, upright] = turnedPair(xz, (Math.sqrt(3) * zonal - difference) / 2, 2 * angle);
  const [newZonal, newDifference] = [(Math.sqrt(3) * upright + stays) / 2, (Math.sqrt(3) * stays - upright) / 2];
  return [one, y, up, across, acrossInward, upInward, newZonal, mixed, newDifference];
}

function turnedPair(right, up, angle) {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [right * cosine + up * sine, up * cosine - right * sine];
}

/** A light told in lightness, of one told in linear irradiance. */
export function toLightness(linear) {
  const { rows, inverse } = sphere();
  const seen = new Float64Array(COEFFICIENTS);
  for (const row of rows) {
    const bright = Math.pow(Math.max(dot(row, linear), 0), EXPONENT);
    for (let i = 0; i < COEFFICIENTS; i++) seen[i] += row[i] * bright;
  }
  return inverse.map((row) => dot(row, seen));
}

/** Unit normals that the camera sees, each with its shading row and its weight on a face. */
export const visible = once(() => {
  const points = [];
  for (let i = 0; i < 41; i++) {
    for (let j = 0; j < 41; j++) {
      const z = -1 + i * 0.05;
      const x = -1 + j * 0.05;
      if (x * x + z * z >= 0.99) continue;
      const y = -Math.sqrt(1 - x * x - z * z);
      points.push({ row: basis([x, y, z]), facing: y * y });
    }
  }
  const total = points.reduce((sum, point) => sum + point.facing, 0);
  return points.map(({ row, facing }) => ({ row, weight: facing / total }));
});

/** The largest shading of a surface that the camera sees. */
export function brightest(light) {
  let most = 1e-6;
  for (const { row } of visible()) most = Math.max(most, dot(row, light));
  return most;
}

/** The mean shading of a face turned to the camera. */
export function onAFace(light) {
  return visible().reduce((sum, { row, weight }) => sum + weight * dot(row, light), 0);
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < COEFFICIENTS; i++) sum += a[i] * b[i];
  return sum;
}

const sphere = once(() => {
  const rows = [];
  for (let i = 0; i < SPHERE_POINTS; i++) {
    const number = i + 0.5;
    const z = 1 - (2 * number) / SPHERE_POINTS;
    const turn = Math.PI * (1 + Math.sqrt(5)) * number;
    const ring = Math.sqrt(1 - z * z);
    rows.push(basis([ring * Math.cos(turn), ring * Math.sin(turn), z].map(Math.fround)));
  }
  const squares = Array.from({ length: COEFFICIENTS }, (_, i) =>
    Array.from({ length: COEFFICIENTS }, (_, j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0)),
  );
  return { rows, inverse: inverted(squares) };
});

/** The inverse of a positive definite matrix. */
function inverted(matrix) {
  const size = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < size; i++) {
    const pivot = work[i][i];
    work[i] = work[i].map((value) => value / pivot);
    for (let j = 0; j < size; j++) {
      if (j === i) continue;
      const factor = work[j][i];
      work[j] = work[j].map((value, k) => value - factor * work[i][k]);
    }
  }
  return work.map((row) => row.slice(size));
}

function once(make) {
  let made;
  return () => (made ??= make());
}
