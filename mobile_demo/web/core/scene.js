/** A scene relit by a network from one fixed light to another: the change of colour brought to full size. */

import { clamp, roundEven } from "./numbers.js";
import { shrinkRows } from "./planes.js";
import { fromSquare, toSquare } from "./network.js";
import { SRGB_FOOT, Slicer, fitChange } from "./transfer.js";

const BRIGHTNESS = [0.299, 0.587, 0.114];

export class Scene {
  /** `network` is {side, run(planes) -> planes}: three planes of sRGB 0..1, side x side. */
  static async make(picture, network) {
    const scale = Math.min(1, network.side / Math.max(picture.width, picture.height));
    const width = Math.max(1, roundEven(picture.width * scale));
    const height = Math.max(1, roundEven(picture.height * scale));
    const line = new Float32Array(picture.width);
    const before = [0, 1, 2].map((channel) => {
      const row = (y) => {
        for (let x = 0; x < picture.width; x++) line[x] = picture.data[4 * (y * picture.width + x) + channel] / 255;
        return line;
      };
      return shrinkRows(row, picture.width, picture.height, width, height);
    });
    const answer = await network.run(before.map((plane) => toSquare(plane, width, height, network.side)));
    const after = answer.map((plane) => fromSquare(plane, network.side, width, height));
    return new Scene(fitChange(before, after, width, height, SRGB_FOOT));
  }

  constructor(change) {
    this.change = change;
  }

  /** Relight a picture of the scene's shape into `result`; `pause` as of portraits. */
  async render(target, { strength }, result, pause = async () => {}) {
    const { width, height, data } = target;
    const laid = (size, whole) => ({ start: 0, step: size / whole });
    const slicers = [0, 1, 2].map(
      (c) => new Slicer(this.change, c, width, laid(this.change.width, width), laid(this.change.height, height)),
    );
    const planes = [0, 1, 2].map(() => new Float32Array(width));
    const guide = new Float32Array(width);
    const shown = new Float32Array(width);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * (y * width + x);
        let bright = 0;
        for (let c = 0; c < 3; c++) {
          planes[c][x] = data[at + c] / 255;
          bright += BRIGHTNESS[c] * planes[c][x];
        }
        guide[x] = clamp(bright, 0, 1);
        result[at + 3] = data[at + 3];
      }
      planes.forEach((plane, c) => {
        slicers[c].row(y, plane, guide, shown);
        for (let x = 0; x < width; x++) {
          const value = plane[x] + strength * (clamp(shown[x], 0, 1) - plane[x]);
          result[4 * (y * width + x) + c] = Math.round(value * 255);
        }
      });
      if (y % 64 === 63) await pause(y / height);
    }
    return result;
  }
}
