/** How large a picture may be while the light moves, so that frames come quickly enough on this device. */

/** Long sides in pixels, the largest first. */
export const SIDES = [512, 416, 320, 256, 192];
const FIRST = 416;
/** Milliseconds a frame: more than `slow` asks for a smaller picture; a larger one must be expected below `quick`. */
const EDGES = { slow: 50, quick: 36 };
/** Frames that are looked at; the least of them counts, since others may have waited for something else. */
const LOOKED_AT = 4;

export class Pace {
  constructor(sides = SIDES, first = FIRST) {
    Object.assign(this, { sides, place: Math.max(sides.indexOf(first), 0), seen: [] });
  }

  get side() {
    return this.sides[this.place];
  }

  /** Note how long a frame of the present side took. */
  took(milliseconds) {
    this.seen.push(milliseconds);
    if (this.seen.length < LOOKED_AT) return;
    const least = Math.min(...this.seen);
    this.seen = [];
    const larger = this.sides[this.place - 1];
    if (least > EDGES.slow && this.place < this.sides.length - 1) this.place++;
    else if (larger && least * (larger / this.side) ** 2 < EDGES.quick) this.place--;
  }
}
