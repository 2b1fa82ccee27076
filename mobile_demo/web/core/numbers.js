/** Small arithmetic that must round as Python does. */

/** The nearest whole number, halves to the even one, as Python's `round` and NumPy's `rint`. */
export function roundEven(value) {
  const below = Math.floor(value);
  const part = value - below;
  if (part !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

export function clamp(value, low, high) {
  return value < low ? low : value > high ? high : value;
}

/** The percentile of numbers, linear between neighbours, as NumPy's. The array is sorted in place. */
export function percentile(values, percent) {
  values.sort();
  const place = (percent / 100) * (values.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, values.length - 1);
  return values[below] + (values[above] - values[below]) * (place - below);
}
