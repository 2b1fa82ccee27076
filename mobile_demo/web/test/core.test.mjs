/** The page's maths against the package's: `node --test mobile_demo/web/test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import * as colour from "../core/colour.js";
import { toLightness, turnedNumbers } from "../core/harmonics.js";
import * as light from "../core/light.js";
import { lightnessRow, relitRow, tintOf } from "../core/lightness.js";
import { fromSquare, toSquare } from "../core/network.js";
import { Pace } from "../core/pace.js";
import { placesOf, rampAt, sizeForNetwork } from "../core/places.js";
import { each } from "../core/planes.js";
import { Portrait, withoutWeave } from "../core/portrait.js";
import { LIGHTNESS_FOOT, Slicer, brightness, fitChange, measureSoftness } from "../core/transfer.js";
import { turnOf, turned } from "../core/turning.js";
import { arrayOf, assertNear, planesOf, psnr, rgbaOf, vectors } from "./vectors.mjs";

test("colours are those of the package", () => {
  const told = vectors("colours");
  assertNear(told.srgb.map(colour.srgbToLinear), told.linear, told.tolerance, "linear");
  assertNear(told.linear.map(colour.linearToSrgb), told.srgb, told.tolerance, "sRGB");
  told.rgb.forEach((rgb, i) => {
    const lab = colour.rgbToLab(rgb);
    assertNear(lab.map((value) => value / 100), told.lab[i], told.tolerance, `Lab of ${rgb}`);
    assertNear(colour.labToRgb(lab), rgb, told.tolerance, `${rgb} and back`);
  });
  assertNear(told.luminance.map(colour.fromLuminance), told.lightness, told.tolerance, "lightness");
  assertNear(told.lightness.map(colour.toLuminance), told.luminance, told.tolerance, "luminance");
  told.kelvin.forEach((kelvin, i) => assertNear(colour.planckianRgb(kelvin), told.planckian[i], told.tolerance, kelvin));
});

test("lights, presets and what networks take of them are those of the package", () => {
  const told = vectors("lights");
  const directions = new Map(told.directions.map((each) => [each.name, each]));
  assert.deepEqual(
    Object.keys(light.PRESETS).sort(),
    told.lights.map(({ name }) => name).filter((name) => !directions.has(name)).sort(),
  );
  for (const wanted of told.lights) {
    const lamp = directions.get(wanted.name);
    const made = lamp
      ? light.fromDirection(lamp.azimuth, lamp.elevation, lamp.softness)
      : light.fromPreset(wanted.name);
    wanted.coefficients.forEach((channel, c) => assertNear(made[c], channel, told.tolerance, wanted.name));
    assertNear(toLightness(light.greyOf(made)), wanted.lightness, told.tolerance, `${wanted.name} in lightness`);
    assertNear(light.anglesOf(made), wanted.angles, 1e-3, `angles of ${wanted.name}`);
    assert.equal(light.hasColour(made, wanted.kelvin), wanted.has_colour, wanted.name);
    const tint = light.lightColour(made, wanted.kelvin);
    assertNear(tint.shadow, wanted.shadow, told.tolerance, `shadow of ${wanted.name}`);
    assertNear(tint.lit, wanted.lit, told.tolerance * 4, `lit side of ${wanted.name}`);
    told.own.forEach((own, i) => {
      const found = light.exposed(made, own);
      assertNear(found.numbers, wanted.exposed[i].numbers, told.tolerance, `${wanted.name} exposed`);
      assertNear(found.own, wanted.exposed[i].own, told.tolerance, `own light under ${wanted.name}`);
      assertNear([found.gain], [wanted.exposed[i].gain], 1e-5, `gain of ${wanted.name}`);
    });
    const ball = light.ballPicture(made, 16);
    const drawn = arrayOf(wanted.ball);
    for (let i = 0; i < 256; i++) {
      if (ball[4 * i + 3] === 0) continue;
      assertNear(ball.slice(4 * i, 4 * i + 3), drawn.slice(3 * i, 3 * i + 3), told.ball_tolerance, `ball of ${wanted.name}`);
    }
  }
});

test("the parts that are relit are those of the package", () => {
  const told = vectors("places");
  for (const { width, height, faces, places } of told.cases) {
    const found = placesOf(width, height, faces);
    assert.equal(found.length, places.length);
    found.forEach((place, i) => {
      const wanted = places[i];
      for (const side of ["left", "top", "width", "height"]) assert.equal(place[side], wanted[side]);
      assert.deepEqual(sizeForNetwork(place.width, place.height, told.side), wanted.network);
      assert.equal(place.whole, wanted.weights === null);
      if (place.whole) return;
      const across = (x) => rampAt(place.across, place.left + x + 0.5);
      const down = (y) => rampAt(place.down, place.top + y + 0.5);
      const row = wanted.weights[0].map((_, x) => across(x) * down(Math.floor(place.height / 2)));
      assertNear(row, wanted.weights[0], told.tolerance, "middle row of the weight");
      const column = wanted.weights[1].map((_, y) => across(place.width - 1) * down(y));
      assertNear(column, wanted.weights[1], told.tolerance, "last column of the weight");
    });
  }
});

test("pictures reach networks as squares as in the package", () => {
  for (const { picture, square } of vectors("places").squares) {
    const [height, width] = picture.shape;
    const [side] = square.shape;
    const plane = arrayOf(picture);
    assertNear(toSquare(plane, width, height, side), arrayOf(square), 0, `${width} x ${height}`);
    assertNear(fromSquare(arrayOf(square), side, width, height), plane, 0, `${width} x ${height} and back`);
  }
});

test("heads that are tilted are turned as in the package", () => {
  const told = vectors("places");
  for (const [tilt, turn] of told.turns) assertNear([turnOf(tilt)], [turn], 1e-9, `tilt ${tilt}`);
  for (const wanted of told.turned) {
    const found = turned(arrayOf(wanted.square), wanted.square.shape[0], wanted.degrees);
    assertNear(found, arrayOf(wanted.result), told.tolerance, `turned by ${wanted.degrees}`);
  }
  const { lights, turn } = vectors("lights");
  for (const wanted of lights) {
    wanted.coefficients.forEach((numbers, channel) => {
      assertNear(turnedNumbers(numbers, turn), wanted.turned[channel], 1e-9, wanted.name);
    });
  }
});

test("a change of light is brought to full size as by the package", () => {
  const told = vectors("transfers");
  for (const wanted of told.transfers) {
    const [height, width] = wanted.before.shape;
    const [fullHeight, fullWidth] = wanted.full.shape;
    const [before, after, full, result] = ["before", "after", "full", "result"].map((name) => planesOf(wanted[name]));
    assert.equal(measureSoftness(before, after, width, height, wanted.foot), wanted.softness);
    const change = fitChange(before, after, width, height, wanted.foot);
    const guide = brightness(full);
    full.forEach((plane, channel) => {
      const slicer = new Slicer(
        change,
        channel,
        fullWidth,
        { start: 0, step: width / fullWidth },
        { start: 0, step: height / fullHeight },
      );
      const found = new Float32Array(plane.length);
      for (let y = 0; y < fullHeight; y++) {
        const row = (values) => values.subarray(y * fullWidth, (y + 1) * fullWidth);
        slicer.row(y, row(plane), row(guide), row(found));
      }
      const clipped = found.map((value) => Math.min(Math.max(value, 0), 1));
      assertNear(clipped, result[channel], told.tolerance, `channel ${channel}`);
    });
  }
});

test("the weave of the network is smoothed as by the package", () => {
  const { smoothed, tolerance } = vectors("transfers");
  const [height, width] = smoothed.before.shape;
  const before = arrayOf(smoothed.before);
  const ratio = each((b, a) => (a + LIGHTNESS_FOOT) / (b + LIGHTNESS_FOOT), before, arrayOf(smoothed.after));
  assertNear(withoutWeave(before, ratio, width, height), arrayOf(smoothed.result), tolerance, "smoothed");
});

test("lightness is changed as by the package", () => {
  const { changed, tolerance, byte_tolerance: near } = vectors("transfers");
  const pixels = rgbaOf(arrayOf(changed.pixels));
  const [before, after, reach] = ["before", "after", "reach"].map((name) => arrayOf(changed[name]));
  assertNear(lightnessRow(pixels, 0, before.length, new Float32Array(before.length)), before, tolerance, "lightness");
  const sides = light.lightColour(light.fromDirection(changed.azimuth, changed.elevation), changed.kelvin);
  const tint = tintOf(sides, before, after);
  assertNear([tint.fullRatio], [changed.full_ratio], 1e-4, "ratio of the lit side");
  for (const [name, used] of [["neutral", null], ["warm", tint]]) {
    const result = new Uint8ClampedArray(pixels.length);
    relitRow(pixels, 0, before.length, after, reach, used, result, 0);
    const rgb = Array.from({ length: 3 * before.length }, (_, i) => result[4 * Math.floor(i / 3) + (i % 3)]);
    assertNear(rgb, arrayOf(changed[name]), near, name);
  }
});

test("a whole portrait comes out as from the package, given the same answers of the network", async () => {
  const told = vectors("portraits");
  for (const wanted of told.cases) {
    const [height, width] = wanted.pixels.shape;
    const rgb = arrayOf(wanted.pixels);
    const picture = { width, height, data: rgbaOf(rgb) };
    const mask = arrayOf(wanted.mask);
    const answers = wanted.asked.map(({ light: numbers, ...answer }) => ({ numbers, ...answer }));
    const network = {
      side: told.side,
      async run(plane, _width, _height, numbers) {
        if (answers[0].image && !answers[0].checked) {
          assertNear(plane, arrayOf(answers[0].image), told.input_tolerance, `what the network sees of ${wanted.name}`);
          answers[0].checked = true;
        }
        const near = answers.find((each) => each.numbers.every((n, i) => Math.abs(n - numbers[i]) < told.light_tolerance));
        assert.ok(near, `${wanted.name}: the network is asked about another light: ${[...numbers]}`);
        return { relit: arrayOf(near.relit), light: near.source_light };
      },
    };
    const maskOf = async () => ({
      row: (y, left, count) => Float32Array.from({ length: count }, (_, x) => mask[y * width + left + x] / 255),
    });
    const portrait = await Portrait.make(picture, [wanted.face], { full: network }, maskOf);
    const changes = await portrait.changes(wanted.coefficients);
    const options = {
      light: wanted.coefficients,
      strength: wanted.strength,
      kelvin: wanted.kelvin,
      keepBackground: wanted.keep_background,
    };
    const result = await portrait.render(picture, changes, options, new Uint8ClampedArray(picture.data.length));
    const decibels = psnr(result, arrayOf(wanted.result));
    assert.ok(decibels >= told.psnr, `${wanted.name}: ${decibels} dB`);
    assert.ok(psnr(result, rgb) < 40, `${wanted.name}: nothing was changed`);
  }
});

test("the picture shown while the light moves is as large as the device is quick", () => {
  const sides = [];
  const pace = new Pace([512, 416, 320], 416);
  for (const [milliseconds, frames] of [[90, 4], [90, 8], [30, 4], [15, 4], [15, 4], [15, 4]]) {
    for (let i = 0; i < frames; i++) pace.took(milliseconds);
    sides.push(pace.side);
  }
  assert.deepEqual(sides, [320, 320, 320, 416, 512, 512]);
  // One frame that waited for something else changes nothing.
  for (const milliseconds of [200, 40, 40, 40]) pace.took(milliseconds);
  assert.equal(pace.side, 512);
});

test("a small picture that keeps its rows is relit like one that does not", async () => {
  const [width, height] = [40, 30];
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : (i * 7919) % 251));
  const mask = { row: (y, left, count) => Float32Array.from({ length: count }, (_, x) => ((left + x + y) % 10) / 9) };
  const network = { side: 32, run: async (plane, _w, _h, numbers) => ({ relit: plane.map((v, i) => v * (1 + numbers[3] * (i % 32) / 64)), light: [0.8, 0, 0.1, 0.2, 0, 0, 0, 0, 0] }) };
  const face = { left: 12, top: 8, width: 10, height: 12, score: 1, tilt: 0 };
  const portrait = await Portrait.make({ width, height, data }, [face], { full: network, quick: network }, async () => mask);
  const kept = { width, height, data, kept: new Map() };
  for (const azimuth of [-60, 60]) {
    const chosen = light.fromDirection(azimuth, 20);
    const options = { light: chosen, strength: 1, kelvin: 3000, keepBackground: true };
    const changes = await portrait.changes(chosen, "quick");
    const [plain, quick] = [{ width, height, data }, kept].map((target) => portrait.render(target, changes, options, new Uint8ClampedArray(data.length)));
    assert.deepEqual(await quick, await plain);
    assert.notDeepEqual(await plain, data);
  }
});
