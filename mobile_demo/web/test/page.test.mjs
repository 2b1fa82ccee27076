/**
 * The page in Chromium: `make test-web`.
 *
 * Pictures of it are left in mobile_demo/build/screens/web.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "..", "..", "..");
const SHOTS = join(ROOT, "mobile_demo", "build", "screens", "web");
const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv", "bin", "python");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Milliseconds: the machine may be busy. */
const PATIENCE = 120_000;

const files = mkdtempSync(join(tmpdir(), "relight-page-"));
let server = null;
let browser = null;
let address = "";

function python(...words) {
  const settings = { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] };
  return execFileSync(PYTHON, ["-m", "mobile_demo.page_reference", ...words], settings);
}

before(async () => {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing`);
  mkdirSync(SHOTS, { recursive: true });
  python("pictures", files);
  server = spawn(PYTHON, ["-m", "tf_relight", "app", "--port", "0", "--no-browser"], { cwd: ROOT });
  address = await new Promise((resolve, reject) => {
    server.stdout.on("data", (text) => {
      const found = /http:\S+/.exec(String(text));
      if (found) resolve(found[0]);
    });
    server.on("exit", () => reject(new Error("the server ended")));
  });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  server?.kill("SIGINT");
});

/** A ready page in a context of its own; what it asked for elsewhere and what went wrong is noted. */
async function ready({ path = "", options = {}, prepare = async () => {}, using = browser } = {}) {
  const context = await using.newContext({ viewport: { width: 1200, height: 760 }, acceptDownloads: true, ...options });
  const noted = { elsewhere: [], wrong: [] };
  context.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && origin !== new URL(address).origin) noted.elsewhere.push(request.url());
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => noted.wrong.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) noted.wrong.push(message.text());
  });
  await page.addInitScript(() => {
    addEventListener("ready", ({ detail }) => (globalThis.readyDetail = detail), true);
    globalThis.results = [];
    document.addEventListener("relit", ({ detail: { picture, ...rest } }) => globalThis.results.push(rest));
  });
  await prepare(context, page);
  await page.goto(address + path);
  return { context, page, noted };
}

async function isReady(page) {
  await page.locator("#open:enabled").waitFor({ timeout: PATIENCE });
}

/** Do something and wait until the full-size result of it is there. */
async function relit(page, action) {
  const count = await page.evaluate(() => globalThis.results.length);
  await action();
  await page.waitForFunction((n) => globalThis.results.length > n, count, { timeout: PATIENCE });
  return page.evaluate(() => globalThis.results.at(-1));
}

const openFile = (page, name) => page.locator("#file").setInputFiles(join(files, name));

/** Wait for the sentence that says what is wrong. */
async function complaint(page) {
  await page.waitForFunction(() => document.getElementById("mistake").textContent, null, { timeout: PATIENCE });
  return page.locator("#mistake").textContent();
}

/** Mean colours of parts of the shown result. */
function shownMeans(page) {
  return page.evaluate(() => {
    const shown = document.getElementById("after");
    // What is handed over to a canvas is read from another one.
    const canvas = new OffscreenCanvas(shown.width, shown.height);
    const context = canvas.getContext("2d");
    context.drawImage(shown, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const halves = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
      halves[Math.floor(((i / 4) % canvas.width) / (canvas.width / 2))] += data[i] + data[i + 1] + data[i + 2];
    }
    return halves.map((sum) => sum / (1.5 * data.length / 4));
  });
}

const shot = (page, name) => page.screenshot({ path: join(SHOTS, `${name}.png`) });

/**
 * Drag the lamp, whose button is down, back and forth for three seconds, once for each picture of the screen. The mouse
 * of the test would be slower.
 */
async function dragged(page) {
  const seconds = await page.evaluate(async () => {
    relightApp.state.frames.length = 0;
    const pad = document.getElementById("ball");
    const box = pad.getBoundingClientRect();
    const started = performance.now();
    for (let i = 0; performance.now() - started < 3000; i++) {
      await new Promise(requestAnimationFrame);
      const clientX = box.left + (box.width / 2) * (1 + 0.55 * Math.sin(i / 12));
      const clientY = box.top + (box.height / 2) * (1 + 0.25 * Math.cos(i / 9));
      pad.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    }
    return (performance.now() - started) / 1000;
  });
  const frames = await page.evaluate(() => relightApp.state.frames);
  const times = frames.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const middle = times[times.length >> 1];
  const [load] = loadavg();
  return {
    middle,
    words:
      `${(frames.length / seconds).toFixed(1)} frames/s while dragging, ${middle.toFixed(0)} ms a frame (least ` +
      `${times[0].toFixed(0)}) at ${frames.at(-1).side} pixels, load ${load.toFixed(1)}`,
    isQuick() {
      // A busy machine shows fewer.
      const least = load < 0.75 * availableParallelism() ? 15 * seconds : 1;
      assert.ok(frames.length >= least, `${frames.length} frames in ${seconds} s`);
    },
  };
}

test("a portrait is relit, dragged, compared with Python, and saved, and nothing goes out", async (t) => {
  const { context, page, noted } = await ready();
  await isReady(page);
  await shot(page, "welcome");
  const opened = await relit(page, () => openFile(page, "portrait.jpg"));
  t.diagnostic(`full run ${opened.milliseconds.toFixed(0)} ms, way ${JSON.stringify(opened.way.tried)}`);

  await t.test("the networks answer as in Python", async () => {
    const wanted = JSON.parse(python("networks"));
    for (const { file, side, square, numbers, relit: told, light, tolerance, bits } of wanted.portraits) {
      const found = await page.evaluate(
        ({ square, numbers, side, file }) =>
          relightApp.ask("probe", { square: Float32Array.from(square), numbers: Float32Array.from(numbers), side, file }),
        { square, numbers, side, file },
      );
      const values = Object.values(found.relit);
      const off = Math.max(...told.map((value, i) => Math.abs(value - values[i])));
      const light_off = Math.max(...light.map((value, i) => Math.abs(value - found.light[i])));
      t.diagnostic(`${file} at ${side}: picture off by ${off}, light by ${light_off}`);
      assert.ok(Math.max(off, light_off) <= tolerance, `${file} is off by ${off} and ${light_off}`);
      assert.ok(!bits || off === 0, `${file} differs`);
    }
  });

  await t.test("a lamp dragged to the right lights the right side", async () => {
    const ball = await page.locator("#ball").boundingBox();
    const at = (x, y) => [ball.x + (ball.width * (1 + x)) / 2, ball.y + (ball.height * (1 + y)) / 2];
    await page.mouse.move(...at(-0.5, 0));
    await page.mouse.down();
    await page.waitForFunction(() => !relightApp.state.busy);
    const [leftBefore, rightBefore] = await shownMeans(page);
    for (let i = 0; i < 12; i++) await page.mouse.move(...at(0.55 * Math.sin(i / 12), 0.25 * Math.cos(i / 9)));
    await page.waitForFunction(() => !relightApp.state.busy);
    const dragging = await dragged(page);
    await page.mouse.move(...at(0.6, 0));
    const result = await relit(page, () => page.mouse.up());
    const full = result.milliseconds;
    t.diagnostic(`${dragging.words}, full run ${full.toFixed(0)} ms: ${(full / dragging.middle).toFixed(1)} times a frame`);
    const [left, right] = await shownMeans(page);
    assert.ok(right - left > rightBefore - leftBefore, "the right side did not get lighter");
    assert.match(await page.locator("#where").textContent(), /right/);
    dragging.isQuick();
  });

  await t.test("the full-size result is that of Python within 45 dB", async () => {
    for (const [name, change] of [
      ["drag", async () => page.evaluate(() => relightApp.full())],
      ["golden_hour", async () => page.locator("#preset").selectOption("golden_hour")],
      ["rembrandt", async () => page.locator("#preset").selectOption("rembrandt")],
    ]) {
      await relit(page, change);
      const told = await page.evaluate(async () => {
        const { asked } = relightApp;
        const { width, height, data, faces, masks } = await relightApp.ask("pixels", {});
        const base64 = (bytes) => {
          let text = "";
          for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
          return btoa(text);
        };
        return {
          ...asked(),
          width,
          height,
          faces,
          data: base64(data),
          masks: masks.map(base64),
        };
      });
      writeFileSync(join(files, "result.json"), JSON.stringify(told));
      const decibels = Number(python("portrait", join(files, "portrait.jpg"), join(files, "result.json")));
      t.diagnostic(`${name}: ${decibels.toFixed(1)} dB from Python`);
      assert.ok(decibels >= 45, `${name}: ${decibels} dB from Python`);
    }
    await shot(page, "portrait");
  });

  await t.test("the divider shows the photo as it was", async () => {
    await page.locator("#divider").fill("50");
    assert.equal(await page.locator("#before").evaluate((each) => getComputedStyle(each).clipPath), "inset(0px 50% 0px 0px)");
    await shot(page, "divider");
    await page.locator("#divider").fill("0");
  });

  await t.test("arrow keys move the lamp, and say where it is", async () => {
    const ball = page.locator("#ball");
    await ball.focus();
    await relit(page, async () => {
      await ball.press("Home");
      for (let i = 0; i < 9; i++) await ball.press("ArrowLeft");
      for (let i = 0; i < 6; i++) await ball.press("ArrowUp");
    });
    assert.equal(await ball.getAttribute("aria-valuetext"), "From the front left, 30° up");
    assert.equal(await page.locator("#preset").inputValue(), "");
  });

  await t.test("strength 0 gives the photo, and the background can be left", async () => {
    await relit(page, () => page.locator("#strength").fill("0"));
    const same = await page.evaluate(() => relightApp.ask("sameAsPhoto", {}));
    assert.ok(same.same);
    await relit(page, () => page.locator("#strength").fill("1"));
    await relit(page, () => page.locator("#keep").check());
    await page.locator("#keep").uncheck();
  });

  await t.test("the result is saved as JPEG and PNG", async () => {
    await page.locator("#save:enabled").waitFor({ timeout: PATIENCE });
    for (const [type, name] of [["image/jpeg", "portrait-relit.jpg"], ["image/png", "portrait-relit.png"]]) {
      await page.locator("#type").selectOption(type);
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
      assert.equal(download.suggestedFilename(), name);
      await download.saveAs(join(files, name));
    }
    const { jpeg, png } = JSON.parse(python("saved", join(files, "portrait-relit.jpg"), join(files, "portrait-relit.png")));
    assert.deepEqual([jpeg.format, jpeg.size], ["JPEG", [300, 300]]);
    assert.deepEqual([png.format, png.size], ["PNG", [300, 300]]);
    assert.ok(png.near_jpeg > 35, `${png.near_jpeg} dB between both`);
  });

  await t.test("the loss of the GPU goes unnoticed", async () => {
    await page.evaluate(() => relightApp.ask("loseGpu", {}));
    const { way } = await relit(page, () => page.locator("#preset").selectOption("split"));
    assert.equal(way.accelerator, "wasm");
    assert.equal(await page.locator("#mistake").textContent(), "");
  });

  assert.deepEqual(noted, { elsewhere: [], wrong: [] });
  await context.close();
});

test("unusual photos are relit, and broken ones refused with a sentence", async (t) => {
  const { context, page, noted } = await ready();
  await isReady(page);
  const sizes = { "turned.jpg": [96, 160], "grey.png": [120, 90], "transparent.png": [100, 100], "one.png": [1, 1] };
  for (const [name, [width, height]] of Object.entries(sizes)) {
    await t.test(`${name} keeps its shape`, async () => {
      await relit(page, () => openFile(page, name));
      const found = await page.evaluate(() => [relightApp.state.photo.width, relightApp.state.photo.height]);
      assert.deepEqual(found, [width, height]);
      assert.match(await page.locator("#status").textContent(), /No face was found/);
    });
  }
  await t.test("transparency is kept in PNG", async () => {
    await relit(page, () => openFile(page, "transparent.png"));
    await page.locator("#type").selectOption("image/png");
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
    await download.saveAs(join(files, "seen-through.png"));
    assert.deepEqual(JSON.parse(python("alpha", join(files, "seen-through.png"))), [0, 255]);
  });
  await t.test("a huge photo is made smaller, with a word", async () => {
    await relit(page, () => openFile(page, "huge.jpg"));
    const pixels = await page.evaluate(() => relightApp.state.photo.width * relightApp.state.photo.height);
    assert.ok(pixels > 23e6 && pixels <= 24e6, `${pixels} pixels`);
    assert.match(await page.locator("#status").textContent(), /30 megapixels was made smaller, to 24/);
  });
  await t.test("a broken file is refused, and the photo before stays", async () => {
    await openFile(page, "broken.jpg");
    assert.match(await complaint(page), /broken\.jpg cannot be read as a picture/);
    await shot(page, "broken");
  });
  await t.test("HEIC is refused by its name", async () => {
    await openFile(page, "photo.heic");
    await page.waitForFunction(() => document.getElementById("mistake").textContent.includes("HEIC"), null, { timeout: PATIENCE });
  });
  assert.deepEqual(noted, { elsewhere: [], wrong: [] });
  await context.close();
});

test("a scene is relit by the scene network", async (t) => {
  const { context, page, noted } = await ready();
  await isReady(page);
  await relit(page, () => openFile(page, "scene.jpg"));
  const { milliseconds } = await relit(page, () => page.getByLabel("A scene").check());
  t.diagnostic(`full run ${milliseconds.toFixed(0)} ms`);
  const told = await page.evaluate(async () => {
    const { width, height, data } = await relightApp.ask("pixels", {});
    return { width, height, data: Array.from(data) };
  });
  writeFileSync(join(files, "scene.json"), JSON.stringify(told));
  const { decibels, changed } = JSON.parse(python("scene", join(files, "scene.jpg"), join(files, "scene.json")));
  t.diagnostic(`${decibels.toFixed(1)} dB from Python with the same file`);
  assert.ok(changed < 35, "nothing was changed");
  assert.ok(decibels >= 45, `${decibels} dB from Python`);
  await shot(page, "scene");
  const answers = JSON.parse(python("scene_network"));
  const { relit: found } = await page.evaluate(
    ({ planes }) => relightApp.ask("probeScene", { planes: planes.map((each) => Float32Array.from(each)) }),
    answers,
  );
  const off = answers.relit.map((plane, c) => plane.map((value, i) => Math.abs(value - found[c][i])));
  const most = Math.max(...off.map((plane) => plane.reduce((a, b) => Math.max(a, b), 0)));
  t.diagnostic(`the scene network's own answer is off by ${most}`);
  assert.ok(answers.tail ? most <= answers.tolerance : most === 0, `off by ${most}`);
  assert.deepEqual(noted, { elsewhere: [], wrong: [] });
  await context.close();
});

test("the page works without a network after the first visit", async () => {
  const { context, page } = await ready();
  await isReady(page);
  await page.waitForFunction(async () => {
    const cache = await caches.open("relight-1");
    const kept = (await cache.keys()).map((each) => each.url);
    return ["_fp16.tflite", ".wasm", "worker.js"].every((part) => kept.some((url) => url.includes(part)));
  }, null, { timeout: PATIENCE });
  await context.setOffline(true);
  await page.reload();
  await isReady(page);
  await relit(page, () => page.locator("#example").click());
  assert.equal(await page.locator("#mistake").textContent(), "");
  await context.close();
});

test("one thread does where the page is not isolated", async (t) => {
  // Where taskset is (Linux), the browser has one core for the page, the networks and its drawing together.
  const program = join(files, "one_core");
  const pinned = existsSync("/usr/bin/taskset") ? "taskset -c 0 " : "";
  writeFileSync(program, `#!/bin/sh\nexec ${pinned}${CHROMIUM} "$@"\n`, { mode: 0o755 });
  const alone = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
  const { context, page } = await ready({ path: "?threads=0", using: alone });
  await isReady(page);
  assert.match(await page.locator("#about").textContent(), /one core/);
  const { milliseconds, frames } = await relit(page, () => openFile(page, "portrait.jpg"));
  t.diagnostic(`one core: full run ${milliseconds.toFixed(0)} ms, first preview ${frames[0].milliseconds.toFixed(0)} ms`);
  const ball = await page.locator("#ball").boundingBox();
  await page.mouse.move(ball.x + ball.width / 4, ball.y + ball.height / 2);
  await page.mouse.down();
  const dragging = await dragged(page);
  await relit(page, () => page.mouse.up());
  t.diagnostic(`one core: ${dragging.words}`);
  dragging.isQuick();
  await context.close();
  await alone.close();
});

test("what cannot run is said in a sentence", async (t) => {
  await t.test("a network that is not the manifest's", async () => {
    const { context, page } = await ready({
      options: { serviceWorkers: "block" },
      prepare: (each) => each.route("**/*_{fp16,dynamic_int8}.tflite", (route) => route.fulfill({ body: Buffer.alloc(64) })),
    });
    assert.match(await complaint(page), /is not the one that the manifest describes/);
    await context.close();
  });
  await t.test("no SIMD", async () => {
    const { context, page } = await ready({
      options: { serviceWorkers: "block" },
      prepare: (each) =>
        each.route("**/worker.js", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: `WebAssembly.validate = () => false;\n${await response.text()}` });
        }),
    });
    assert.match(await complaint(page), /no WebAssembly SIMD/);
    await context.close();
  });
});

test("tilt moves the light, and permission may be refused", async () => {
  const options = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
  const { context, page } = await ready({ options });
  await isReady(page);
  await relit(page, () => openFile(page, "portrait.jpg"));
  await page.locator("#tilt").check();
  const tilted = (beta, gamma) =>
    page.evaluate(([b, g]) => dispatchEvent(new DeviceOrientationEvent("deviceorientation", { beta: b, gamma: g })), [beta, gamma]);
  await relit(page, () => tilted(65, -20));
  assert.equal(await page.locator("#where").textContent(), "From the front right, 30° up");
  await page.locator("#tilt").uncheck();
  await page.evaluate(() => (DeviceOrientationEvent.requestPermission = async () => "denied"));
  await page.locator("#tilt").check({ force: true }).catch(() => {});
  assert.match(await complaint(page), /Allow motion sensors/);
  assert.equal(await page.locator("#tilt").isChecked(), false);
  await context.close();
});

test("small screens, the dark, and large text are usable, and everything has a name", async (t) => {
  for (const [name, options] of Object.entries({
    phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
    dark: { colorScheme: "dark" },
    "phone-dark": { viewport: { width: 360, height: 640 }, colorScheme: "dark", isMobile: true, hasTouch: true },
    narrow: { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true },
    landscape: { viewport: { width: 780, height: 390 }, isMobile: true, hasTouch: true },
  })) {
    await t.test(name, async () => {
      const { context, page } = await ready({ options });
      await isReady(page);
      await relit(page, () => openFile(page, "portrait.jpg"));
      // A phone's browser widens what it calls its window until the page fits.
      const width = options.viewport?.width ?? 1200;
      const wide = await page.evaluate((told) => document.documentElement.scrollWidth - told, width);
      assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll("button, input:not([hidden]), select, canvas[role]")]
          .filter((each) => !(each.ariaLabel || each.labels?.length || each.textContent.trim()))
          .map((each) => each.id),
      );
      assert.deepEqual(nameless, []);
      await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
      await context.close();
    });
  }
});

test("every file of the page is kept for offline use", () => {
  const kept = /const PAGE = \[([^\]]*)\]/.exec(readFileSync(join(HERE, "..", "sw.js"), "utf8"))[1].match(/"([^"]+)"/g);
  const names = kept.map((each) => each.slice(1, -1));
  for (const name of names) assert.ok(existsSync(join(HERE, "..", name)), `${name} is not there`);
  const tracked = execFileSync("git", ["ls-files", "."], { cwd: join(HERE, ".."), encoding: "utf8" }).trim().split("\n");
  const shown = tracked.filter((name) => !/^test\/|package|^index\.html$|^sw\.js$|README/.test(name));
  for (const name of shown) assert.ok(names.includes(name), `${name} is not kept`);
});
