/** The tilt of a phone as a light: it stays where a lamp in the room would be. */

/** Degrees: `least` is worth a new picture; a phone held at `upright` has the light in front. */
export const EDGES = { least: 3, upright: 50, widest: 80 };

/** Azimuth and elevation of the lamp for a deviceorientation event, or null where the sensor is silent. */
export function tiltAngles({ beta, gamma }, turned) {
  if (beta === null || gamma === null || beta === undefined || gamma === undefined) return null;
  const limit = (value) => Math.max(-EDGES.widest, Math.min(EDGES.widest, value));
  const [forward, aside] = turned === 90 ? [-gamma, beta] : turned === 270 || turned === -90 ? [gamma, -beta] : [beta, gamma];
  const rest = turned === 90 || turned === 270 || turned === -90 ? 30 : EDGES.upright;
  return { azimuth: limit(-2 * aside), elevation: limit(2 * (forward - rest)) };
}
