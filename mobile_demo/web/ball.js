/** The ball that shows the light and is dragged: angles to places and back, and the drawing. */

import { ballPicture } from "./core/light.js";

/** Radius of the ball in its square of 2 x 2; outside it the light comes from behind. */
const BALL = 0.74;
const RIM = 0.94;
const BALL_SIDE = 128;
let small = null;

/** Azimuth and elevation in degrees of the lamp at a place, x to the right and y down, -1..1. */
export function anglesAt(x, y) {
  const far = Math.min(Math.hypot(x, y), RIM);
  const turn = Math.atan2(-y, x);
  // From the camera in the middle, over the side at the ball's edge, to behind at the rim.
  const theta = far <= BALL ? Math.asin(far / BALL) : (Math.PI / 2) * (1 + (far - BALL) / (RIM - BALL));
  const toward = [Math.sin(theta) * Math.cos(turn), -Math.cos(theta), Math.sin(theta) * Math.sin(turn)];
  return {
    azimuth: degrees(Math.atan2(toward[0], -toward[1])),
    elevation: degrees(Math.asin(Math.max(-1, Math.min(1, toward[2])))),
  };
}

/** Where the lamp of angles in degrees lies in the square, x to the right and y down, -1..1. */
export function placeOf(azimuth, elevation) {
  const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
  const toward = [Math.sin(a) * Math.cos(e), -Math.cos(a) * Math.cos(e), Math.sin(e)];
  const theta = Math.acos(Math.max(-1, Math.min(1, -toward[1])));
  const far = theta <= Math.PI / 2 ? BALL * Math.sin(theta) : BALL + (RIM - BALL) * (theta / (Math.PI / 2) - 1);
  const side = Math.hypot(toward[0], toward[2]);
  if (side < 1e-9) return { x: 0, y: theta > 1 ? -RIM : 0 };
  return { x: (far * toward[0]) / side, y: (-far * toward[2]) / side };
}

/** Draw the ball under a light (linear, three times nine numbers), with its lamp. */
export function drawBall(canvas, light, azimuth, elevation, colours) {
  const context = canvas.getContext("2d");
  const half = canvas.width / 2;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = colours.line;
  context.lineWidth = half / 60;
  context.setLineDash([half / 20, half / 20]);
  context.beginPath();
  context.arc(half, half, half * RIM, 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
  small ??= new OffscreenCanvas(BALL_SIDE, BALL_SIDE);
  small.getContext("2d").putImageData(new ImageData(ballPicture(light, BALL_SIDE), BALL_SIDE), 0, 0);
  context.imageSmoothingQuality = "high";
  // A little larger than its clip, so that the edge is smooth.
  const edge = half * BALL;
  context.save();
  context.beginPath();
  context.arc(half, half, edge * 0.98, 0, 2 * Math.PI);
  context.clip();
  context.drawImage(small, half - edge, half - edge, 2 * edge, 2 * edge);
  context.restore();
  const { x, y } = placeOf(azimuth, elevation);
  context.beginPath();
  context.arc(half * (1 + x), half * (1 + y), half / 11, 0, 2 * Math.PI);
  context.fillStyle = colours.lamp;
  context.fill();
  context.lineWidth = half / 40;
  context.strokeStyle = colours.ring;
  context.stroke();
}

/** In words where a light comes from. */
export function whereFrom(azimuth, elevation) {
  const height = Math.round(elevation);
  if (height > 75) return "From straight above";
  if (height < -75) return "From straight below";
  const sides = ["the front", "the front right", "the right", "behind right", "behind", "behind left", "the left", "the front left"];
  const side = sides[((Math.round(azimuth / 45) % 8) + 8) % 8];
  if (Math.abs(height) < 10) return `From ${side}`;
  return `From ${side}, ${Math.abs(height)}° ${height > 0 ? "up" : "down"}`;
}

function degrees(radians) {
  return (radians * 180) / Math.PI;
}
