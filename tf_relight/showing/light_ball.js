// The ball of light_ball.py: draws the light's nine numbers, and moves the lamp.
function render({ model, el }) {
  const size = 192, canvas = document.createElement("canvas"), said = document.createElement("div");
  canvas.width = canvas.height = size;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "slider");
  canvas.setAttribute("aria-label", "direction of the light");
  canvas.style.cssText = "cursor:grab;touch-action:none;border-radius:50%";
  said.style.cssText = "font:12px sans-serif;width:" + size + "px;text-align:center";
  el.append(canvas, said);
  const context = canvas.getContext("2d"), pixels = context.createImageData(size, size);
  const encoded = (v) => 255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * Math.pow(Math.min(v, 1), 1 / 2.4) - 0.055);
  function draw() {
    const numbers = model.get("coefficients"), half = size / 2;
    for (let row = 0; row < size; row++) for (let column = 0; column < size; column++) {
      const x = (column + 0.5 - half) / half, z = (half - row - 0.5) / half, at = 4 * (row * size + column);
      const rest = 1 - x * x - z * z;
      pixels.data[at + 3] = rest > 0 ? 255 : 0;
      if (rest <= 0) continue;
      const y = -Math.sqrt(rest);
      const basis = [1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y];
      for (let channel = 0; channel < 3; channel++) {
        let light = 0;
        for (let k = 0; k < 9; k++) light += basis[k] * numbers[k][channel];
        pixels.data[at + channel] = encoded(Math.max(0.5 * light, 0));
      }
    }
    context.putImageData(pixels, 0, 0);
    const azimuth = Math.round(model.get("azimuth")), elevation = Math.round(model.get("elevation"));
    said.textContent = "azimuth " + azimuth + ", elevation " + elevation;
    canvas.setAttribute("aria-valuetext", said.textContent);
  }
  function point(azimuth, elevation) {
    model.set("azimuth", azimuth);
    model.set("elevation", Math.max(-90, Math.min(90, elevation)));
    model.save_changes();
  }
  function drag(event) {
    const box = canvas.getBoundingClientRect();
    let x = (2 * (event.clientX - box.left)) / box.width - 1, z = 1 - (2 * (event.clientY - box.top)) / box.height;
    const length = Math.hypot(x, z);
    // Past the rim the light goes behind the ball.
    const behind = length > 1, reach = behind ? Math.max(0, 2 - length) / length : 1;
    x *= reach; z *= reach;
    const y = Math.sqrt(Math.max(0, 1 - x * x - z * z)) * (behind ? -1 : 1), degrees = 180 / Math.PI;
    point(Math.atan2(x, y) * degrees, Math.asin(Math.max(-1, Math.min(1, z))) * degrees);
  }
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); drag(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[event.key];
    if (!step) return;
    event.preventDefault();
    point(((model.get("azimuth") + step[0] + 540) % 360) - 180, model.get("elevation") + step[1]);
  });
  model.on("change:coefficients", draw);
  draw();
}
export default { render };
