/** The page: what the user does, what the worker is asked, what is shown. */

import { anglesAt, drawBall, placeOf, whereFrom } from "./ball.js";
import { COLDEST, NEUTRAL_KELVIN, PRESETS, USUAL_SOFTNESS, WARMEST, anglesOf, fromDirection, fromPreset } from "./core/light.js";
import { EDGES, tiltAngles } from "./tilt.js";
import { Helper } from "./helper.js";

const STEP = 5;
/** After the last key or slider step the full-size result is made. */
const REST = 350;
/** Milliseconds after which the ball is drawn while a preview is under way. */
const BALL_EVERY = 70;
const FIRST_PRESET = "loop";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const settings = {
  mode: "portrait",
  azimuth: -35,
  elevation: 35,
  preset: FIRST_PRESET,
  softness: USUAL_SOFTNESS,
  kelvin: null,
  strength: 1,
  keepBackground: false,
};
const state = { photo: null, name: "", moving: false, busy: false, again: false, rest: 0, drawn: 0, shown: 0, frames: [], ready: false };
let helper = null;

/** The light that is asked for: three times nine numbers, linear. */
function light() {
  if (settings.preset) return fromPreset(settings.preset);
  return fromDirection(settings.azimuth, settings.elevation, settings.softness);
}

function asked() {
  const { mode, strength, kelvin, keepBackground } = settings;
  const people = state.photo?.faces.length > 0;
  return { mode, strength, kelvin: mode === "scene" ? null : kelvin, keepBackground: keepBackground && people, light: light() };
}

// -- What is shown ---------------------------------------------------------------------------------------------

function showLight() {
  state.shown = performance.now();
  drawBall($("ball"), light(), settings.azimuth, settings.elevation, ballColours());
  const words = settings.preset === "ambient" ? "Even light from all around" : whereFrom(settings.azimuth, settings.elevation);
  const scene = settings.mode === "scene";
  put("where", { textContent: words });
  put("ball", { ariaValueText: words, ariaValueNow: String(Math.round(settings.azimuth)) });
  put("preset", { value: settings.preset });
  put("softness", { value: String(settings.softness) });
  put("softnessValue", { textContent: settings.preset ? "preset" : settings.softness === 0 ? "hard" : `${Math.round(100 * settings.softness)} %` });
  put("warmthValue", { textContent: settings.kelvin === null ? (settings.preset ? "preset" : "neutral") : `${settings.kelvin} K` });
  put("strengthValue", { textContent: `${Math.round(100 * settings.strength)} %` });
  put("portraitControls", { hidden: scene });
  put("keepLabel", { hidden: scene });
  put("sceneHelp", { hidden: !scene });
  put("keep", { disabled: !state.photo?.faces.length });
}

/** Set what is not so yet: to set it again would cost layout and drawing while the light moves. */
function put(id, wanted) {
  for (const [name, value] of Object.entries(wanted)) if ($(id)[name] !== value) $(id)[name] = value;
}

let colours = null;

function ballColours() {
  colours ??= { line: getComputedStyle(document.documentElement).getPropertyValue("--faint"), lamp: "#ffcf7d", ring: "#4a2b00" };
  return colours;
}

function draw(id, picture) {
  const canvas = $(id);
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
}

/** Show the relit photo; the picture is handed over, not copied. */
function present(picture) {
  const canvas = $("after");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
}

/** Give the frame the largest size of the photo's shape that fits. */
function fit() {
  if (!state.photo) return;
  const style = getComputedStyle($("stage"));
  const room = {
    width: $("stage").clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight),
    height: $("stage").clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom),
  };
  const scale = Math.min(room.width / state.photo.width, room.height / state.photo.height);
  $("frame").style.width = `${Math.max(1, state.photo.width * scale)}px`;
  $("frame").style.height = `${Math.max(1, state.photo.height * scale)}px`;
}

function cut(share) {
  $("frame").style.setProperty("--cut", `${share}%`);
  $("divider").value = String(share);
  $("divider").setAttribute("aria-valuetext", `${Math.round(share)} percent of the photo as it was`);
  $("before").hidden = $("line").hidden = share === 0;
  $("tagBefore").hidden = share < 15;
  $("tagAfter").hidden = share > 85;
}

function say(words) {
  $("status").textContent = words;
}

function complain(words) {
  $("mistake").textContent = words;
  if (words) say("");
}

/** What went wrong, in a sentence. */
function told(error) {
  return error.sentence ?? `Something went wrong (${error.message}). Reload the page; if it happens again, please report it.`;
}

// -- What the worker is asked ----------------------------------------------------------------------------------

/**
 * Show the light on its ball before the next picture of the screen; however often it moved until then. While previews
 * are made the ball goes along with them: to draw it more often would take the time that they need.
 */
function lightMoved() {
  if (state.drawn || (state.busy && performance.now() - state.shown < BALL_EVERY)) return;
  state.drawn = requestAnimationFrame(() => {
    state.drawn = 0;
    showLight();
  });
}

/** Show the light while it moves; calls that come while one is under way become one. */
async function preview() {
  lightMoved();
  if (!state.photo) return;
  $("save").disabled = true;
  if (state.busy) {
    state.again = true;
    return;
  }
  state.busy = true;
  try {
    do {
      state.again = false;
      const started = performance.now();
      const { picture, side } = await helper.ask("preview", asked());
      present(picture);
      state.frames.push({ milliseconds: performance.now() - started, side });
      if (state.again) showLight();
    } while (state.again);
  } catch (error) {
    complain(told(error));
  } finally {
    state.busy = false;
  }
}

/** Make the full-size result; one that is overtaken by another wish ends quietly. */
async function full() {
  clearTimeout(state.rest);
  if (!state.photo) return;
  // A preview of the same light that still waits would overtake the result.
  state.again = false;
  $("progress").hidden = false;
  $("save").disabled = true;
  try {
    const answer = await helper.ask("full", asked(), (share) => ($("progress").value = share));
    if (answer === null) return;
    present(answer.picture);
    complain("");
    $("save").disabled = false;
    $("progress").hidden = true;
    say(`Done in ${(answer.milliseconds / 1000).toFixed(1)} s, ${state.photo.width} × ${state.photo.height} pixels.`);
    document.dispatchEvent(new CustomEvent("relit", { detail: { ...answer, frames: state.frames } }));
  } catch (error) {
    $("progress").hidden = true;
    complain(told(error));
  }
}

function changed({ rest = true } = {}) {
  preview();
  clearTimeout(state.rest);
  if (rest) state.rest = setTimeout(full, REST);
}

async function open(file) {
  if (!state.ready || !file) return;
  complain("");
  say("Looking at the photo…");
  clearTimeout(state.rest);
  try {
    const answer = await helper.ask("open", { file });
    if (answer === null) return;
    const { before, ...photo } = answer;
    state.photo = photo;
    state.name = file.name ?? "photo";
    $("welcome").hidden = true;
    $("frame").hidden = false;
    $("stage").classList.remove("empty");
    fit();
    $("after").getContext("bitmaprenderer").transferFromImageBitmap(null);
    draw("before", before);
    cut(0);
    say(photo.notes.join(" "));
    state.notes = photo.notes;
    await preview();
    await full();
    if (photo.notes.length) say(`${$("status").textContent} ${photo.notes.join(" ")}`);
  } catch (error) {
    complain(told(error));
  }
}

async function save() {
  const type = $("type").value;
  try {
    const { blob } = await helper.ask("save", { type, quality: 0.95 });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${state.name.replace(/\.[^.]*$/, "")}-relit.${type === "image/png" ? "png" : "jpg"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`Saved as ${link.download}.`);
  } catch (error) {
    complain(told(error));
  }
}

// -- What the user does ----------------------------------------------------------------------------------------

function moveLamp(azimuth, elevation) {
  settings.azimuth = ((((azimuth + 180) % 360) + 360) % 360) - 180;
  settings.elevation = Math.max(-90, Math.min(90, elevation));
  if (settings.preset) settings.softness = USUAL_SOFTNESS;
  settings.preset = "";
}

function lampTo(event) {
  const box = $("ball").getBoundingClientRect();
  const { azimuth, elevation } = anglesAt(
    ((event.clientX - box.left) / box.width) * 2 - 1,
    ((event.clientY - box.top) / box.height) * 2 - 1,
  );
  moveLamp(azimuth, elevation);
  changed({ rest: false });
}

$("ball").addEventListener("pointerdown", (event) => {
  $("ball").setPointerCapture(event.pointerId);
  state.moving = true;
  lampTo(event);
});
$("ball").addEventListener("pointermove", (event) => {
  if (state.moving) lampTo(event);
});
for (const end of ["pointerup", "pointercancel"]) {
  $("ball").addEventListener(end, () => {
    if (state.moving) full();
    state.moving = false;
  });
}
$("ball").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
  const step = event.key === "Home" ? [-settings.azimuth, -settings.elevation] : steps[event.key];
  if (!step) return;
  event.preventDefault();
  moveLamp(settings.azimuth + step[0], settings.elevation + step[1]);
  changed();
});

$("preset").addEventListener("change", () => {
  settings.preset = $("preset").value;
  if (settings.preset) [settings.azimuth, settings.elevation] = anglesOf(fromPreset(settings.preset));
  changed();
});
$("softness").addEventListener("input", () => {
  settings.softness = Number($("softness").value);
  settings.preset = "";
  changed();
});
/** The slider runs over 1 / kelvin, which is even to the eye; its middle is neutral. */
$("warmth").addEventListener("input", () => {
  const place = Number($("warmth").value);
  const end = place < 50 ? COLDEST : WARMEST * 1.8;
  const share = Math.abs(place - 50) / 50;
  const kelvin = 1 / (1 / NEUTRAL_KELVIN + share * (1 / end - 1 / NEUTRAL_KELVIN));
  settings.kelvin = place === 50 ? null : Math.round(kelvin / 10) * 10;
  changed();
});
$("strength").addEventListener("input", () => {
  settings.strength = Number($("strength").value);
  changed();
});
$("keep").addEventListener("change", () => {
  settings.keepBackground = $("keep").checked;
  changed();
});
for (const radio of document.querySelectorAll("input[name=mode]")) {
  radio.addEventListener("change", () => {
    settings.mode = radio.value;
    changed();
  });
}
$("divider").addEventListener("input", () => cut(Number($("divider").value)));

$("open").addEventListener("click", () => $("file").click());
$("camera").addEventListener("click", () => $("shot").click());
for (const id of ["file", "shot"]) {
  $(id).addEventListener("change", () => {
    open($(id).files[0]);
    $(id).value = "";
  });
}
$("save").addEventListener("click", save);
$("example").addEventListener("click", async () => {
  const response = await fetch("example.jpg");
  open(new File([await response.blob()], "example.jpg", { type: "image/jpeg" }));
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) open(file);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("stage").classList.add("drop");
});
addEventListener("dragleave", () => $("stage").classList.remove("drop"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("stage").classList.remove("drop");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
new ResizeObserver(fit).observe($("stage"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = null;
  showLight();
});

// -- The tilt of a phone ---------------------------------------------------------------------------------------

function onTilt(event) {
  const angles = tiltAngles(event, screen.orientation?.angle ?? 0);
  if (!angles) return;
  const near = Math.abs(angles.azimuth - settings.azimuth) + Math.abs(angles.elevation - settings.elevation);
  if (near < EDGES.least) return;
  moveLamp(angles.azimuth, angles.elevation);
  changed();
}

$("tilt").addEventListener("change", async () => {
  removeEventListener("deviceorientation", onTilt);
  if (!$("tilt").checked) return;
  try {
    const allowed = (await DeviceOrientationEvent.requestPermission?.()) ?? "granted";
    if (allowed !== "granted") throw new Error();
  } catch {
    $("tilt").checked = false;
    complain("The phone does not let this page see its tilt. Allow motion sensors for it in the browser's settings.");
    return;
  }
  addEventListener("deviceorientation", onTilt);
});

// -- The start -------------------------------------------------------------------------------------------------

async function start() {
  for (const name of Object.keys(PRESETS)) {
    const words = name.replaceAll("_", " ");
    $("preset").append(new Option(words[0].toUpperCase() + words.slice(1), name));
  }
  showLight();
  $("tiltLabel").hidden = !("DeviceOrientationEvent" in window && navigator.maxTouchPoints > 0);
  say("Getting the networks ready…");
  navigator.serviceWorker?.register("sw.js").catch(() => {});
  try {
    helper = new Helper();
    const wanted = { threads: query.get("threads") !== "0", webgpu: query.get("webgpu") !== "0" };
    const { way, threads, sizes } = await helper.ask("start", { wanted });
    state.ready = true;
    for (const id of ["open", "camera", "example"]) $(id).disabled = false;
    say("Ready.");
    const where = way.accelerator === "webgpu" ? "the graphics processor" : threads ? "all cores" : "one core";
    const told = `${way.milliseconds.toFixed(0)} ms a pass at ${sizes[0]} pixels`;
    $("about").textContent = `Photos stay on this device. People are relit by ${way.file} on ${where}, ${told}.`;
    document.dispatchEvent(new CustomEvent("ready", { detail: { way, threads } }));
    keepForOffline();
  } catch (error) {
    complain(told(error));
  }
}

/** The service worker keeps what this browser has used, so that the next visit needs no network. */
async function keepForOffline() {
  if (!navigator.serviceWorker) return;
  const registration = await navigator.serviceWorker.ready;
  const used = await helper.ask("used", {});
  registration.active.postMessage({ keep: used.urls });
}

/** For tests: the worker, and what was chosen. */
globalThis.relightApp = { ask: (action, given) => helper.ask(action, given), asked, settings, state, full };

start();
