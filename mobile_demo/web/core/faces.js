/** Finding faces with BlazeFace, near and far; see tf_relight/photo/blazeface.py for the same windows. */

const LEAST_SCORE = 0.6;
const SAME_FACE = 0.3;
const INSIDE = 0.7;
const STEP = 0.6;
/** The detector's box begins at the brows; the forehead adds so much of its height. */
const FOREHEAD = 0.3;

/** [stride in pixels, places each] of the grids over which the networks answer, and the side they look at. */
const KINDS = {
  near: { side: 128, grids: [[8, 2], [16, 6]] },
  far: { side: 192, grids: [[4, 1]] },
};

/**
 * Faces {left, top, width, height, score, tilt} of a picture, the largest first; tilt in degrees, clockwise.
 *
 * `look(kind, left, top, side)` resolves to what network `kind` ("near" or "far") answers to a square of the picture,
 * which may reach over its border: {boxes: 16 numbers for each place, scores: 1 for each}.
 */
export async function findFaces(width, height, look) {
  let finds = [];
  for (const window of [...whole(width, height), ...tiles(width, height, 0.5)]) finds.push(...(await seen(window, look)));
  finds = eachOnce(finds);
  if (!finds.length) {
    for (const window of tiles(width, height, 0.25)) finds.push(...(await seen(window, look)));
    finds = eachOnce(finds);
  }
  return finds.map(faceOf).sort((a, b) => b.height - a.height);
}

export function whole(width, height) {
  const side = Math.max(width, height);
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)];
  const rim = side >> 2;
  return [
    { kind: "near", left, top, side },
    { kind: "far", left, top, side },
    { kind: "near", left: left - rim, top: top - rim, side: side + 2 * rim },
  ];
}

export function tiles(width, height, share) {
  const side = Math.max(1, Math.round(share * Math.max(width, height)));
  const found = [];
  for (const top of starts(height, side)) for (const left of starts(width, side)) found.push({ kind: "far", left, top, side });
  return found;
}

function starts(length, side) {
  if (length <= side) return [Math.floor((length - side) / 2)];
  const count = 1 + Math.ceil((length - side) / (STEP * side));
  return Array.from({ length: count }, (_, i) => Math.round(((length - side) * i) / (count - 1)));
}

async function seen({ kind, left, top, side }, look) {
  const { boxes, scores } = await look(kind, left, top, side);
  const scale = side / KINDS[kind].side;
  return findsIn(kind, boxes, scores).map((find) => ({
    score: find.score,
    left: left + find.left * scale,
    top: top + find.top * scale,
    right: left + find.right * scale,
    bottom: top + find.bottom * scale,
    tilt: find.tilt,
  }));
}

/** What a network's numbers mean, in pixels of its own square. */
export function findsIn(kind, boxes, logits) {
  const places = placesOf(kind);
  const found = [];
  for (let i = 0; i < places.length; i++) {
    const score = 1 / (1 + Math.exp(-logits[i]));
    if (score < LEAST_SCORE) continue;
    const [x, y] = [boxes[16 * i] + places[i][0], boxes[16 * i + 1] + places[i][1]];
    const [width, height] = [boxes[16 * i + 2], boxes[16 * i + 3]];
    if (width <= 0 || height <= 0) continue;
    // After the box come the eyes, the left one of the picture first.
    const tilt = (Math.atan2(boxes[16 * i + 7] - boxes[16 * i + 5], boxes[16 * i + 6] - boxes[16 * i + 4]) * 180) / Math.PI;
    found.push({ score, left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2, tilt });
  }
  return eachOnce(found);
}

function placesOf(kind) {
  const { side, grids } = KINDS[kind];
  const places = [];
  for (const [stride, times] of grids) {
    for (let y = stride / 2; y < side; y += stride) {
      for (let x = stride / 2; x < side; x += stride) for (let i = 0; i < times; i++) places.push([x, y]);
    }
  }
  return places;
}

/** Finds without those that overlap a surer one. */
export function eachOnce(finds) {
  const kept = [];
  for (const find of [...finds].sort((a, b) => b.score - a.score)) {
    if (!kept.some((other) => isSame(find, other))) kept.push(find);
  }
  return kept;
}

function isSame(a, b) {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (across <= 0 || down <= 0) return false;
  const area = (each) => (each.right - each.left) * (each.bottom - each.top);
  const common = across * down;
  return common > SAME_FACE * (area(a) + area(b) - common) || common > INSIDE * Math.min(area(a), area(b));
}

/** The box from the hairline to the chin. */
function faceOf({ left, top, right, bottom, score, tilt }) {
  const forehead = FOREHEAD * (bottom - top);
  return { left, top: top - forehead, width: right - left, height: bottom - top + forehead, score, tilt };
}
