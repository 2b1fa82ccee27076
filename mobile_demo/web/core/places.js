/** Which parts of a photo are relit: the whole of a close portrait, else a square around each face. */

import { clamp, roundEven } from "./numbers.js";
import { turnOf } from "./turning.js";

const CROP_SIDE = 2;
const WHOLE_SIDE = 2.6;
const STRETCH = 1.25;
const FADE = 0.3;

/**
 * Parts of a picture with these faces ({left, top, width, height, tilt}): {left, top, width, height, whole, across, down,
 * turn}. `across` and `down` say how the change dies out towards borders inside the picture: {fromStart, fromEnd, fade};
 * `turn` by how many degrees the part's head is turned clockwise against how networks see it.
 */
export function placesOf(width, height, faces) {
  const close = faces.length === 1 && Math.max(width, height) <= WHOLE_SIDE * faces[0].height;
  if (!faces.length || close) {
    const [across, down] = [span(0, Infinity, width), span(0, Infinity, height)];
    return [{ left: 0, top: 0, width, height, whole: true, across, down, turn: close ? turnOf(faces[0].tilt) : 0 }];
  }
  return faces.map((face) => {
    const side = CROP_SIDE * face.height;
    const across = span(face.left + face.width / 2, side, width);
    const down = span(face.top + face.height / 2, side, height);
    return {
      left: across.first,
      top: down.first,
      width: across.last - across.first,
      height: down.last - down.first,
      whole: false,
      across,
      down,
      turn: turnOf(face.tilt),
    };
  });
}

/** The weight of the change at a place along one axis, in pixels of the picture, the middle of pixels at .5. */
export function rampAt({ first, last, end, fade }, place) {
  const fromStart = first > 0 ? (place - first) / fade : 1;
  const fromEnd = last < end ? (last - place) / fade : 1;
  const ramp = clamp(Math.min(fromStart, fromEnd), 0, 1);
  return ramp * ramp * (3 - 2 * ramp);
}

function span(centre, side, end) {
  if (side === Infinity) return { first: 0, last: end, end, fade: 1 };
  const first = Math.max(0, roundEven(centre - side / 2));
  const last = Math.max(Math.min(end, roundEven(centre + side / 2)), first + 1);
  return { first, last, end, fade: Math.max(1, FADE * side) };
}

/**
 * [width, height] at which a part reaches a network; small parts grow, too. The short side is stretched by up to
 * STRETCH, at most to a square.
 */
export function sizeForNetwork(width, height, longSide) {
  const full = Math.max(width, height);
  const side = (length) => Math.max(1, roundEven(Math.min(1, (STRETCH * length) / full) * longSide));
  return [side(width), side(height)];
}
