// The map: which part of the plane is seen, and when it is drawn.
"use strict";

(function (aetool) {
  const MOST = 400; // times nearer than the whole map
  const MARGIN = 40; // pixels around the whole map
  const GLIDE = 220; // milliseconds of a movement

  const view = { x: 0, y: 0, scale: 1, least: 1, width: 1, height: 1, dots: 1 }; // centre, pixels a unit, dots a pixel
  let space, base, over, asked = false, gliding = 0;

  function startMap(given) {
    space = given;
    [base, over] = [aetool.byId("dots"), aetool.byId("over")];
    new ResizeObserver(fit).observe(aetool.byId("map"));
    fit();
    whole(false);
  }

  // Take the size of the window.
  function fit() {
    const { clientWidth, clientHeight } = aetool.byId("map"), before = view.least;
    if (!clientWidth || !clientHeight) return;
    Object.assign(view, {
      width: clientWidth,
      height: clientHeight,
      dots: Math.min(2, globalThis.devicePixelRatio || 1),
    });
    for (const canvas of [base, over]) {
      canvas.width = Math.round(clientWidth * view.dots);
      canvas.height = Math.round(clientHeight * view.dots);
    }
    view.least = wholeScale();
    view.scale *= view.least / before;
    draw();
  }

  function wholeScale() {
    const { left, top, right, bottom } = space.grid.box;
    const [wide, high] = [Math.max(right - left, 1e-9), Math.max(bottom - top, 1e-9)];
    return Math.min((view.width - 2 * MARGIN) / wide, (view.height - 2 * MARGIN) / high);
  }

  // Show the whole map.
  function whole(slowly = true) {
    const { left, top, right, bottom } = space.grid.box;
    moveTo({ x: (left + right) / 2, y: (top + bottom) / 2, scale: wholeScale() }, slowly);
  }

  // Move the view, gliding unless the reader asks for less motion.
  function moveTo(target, slowly) {
    cancelAnimationFrame(gliding);
    const from = { x: view.x, y: view.y, scale: view.scale }, began = performance.now();
    if (!slowly || matchMedia("(prefers-reduced-motion: reduce)").matches) return set(target);
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - began) / GLIDE)), eased = 1 - (1 - t) ** 3;
      const between = (a, b) => a + (b - a) * eased;
      set({
        x: between(from.x, target.x),
        y: between(from.y, target.y),
        scale: from.scale * (target.scale / from.scale) ** eased,
      });
      if (t < 1) gliding = requestAnimationFrame(step);
    };
    gliding = requestAnimationFrame(step);
  }

  function set({ x, y, scale }) {
    const { left, top, right, bottom } = space.grid.box;
    view.scale = Math.max(0.5 * view.least, Math.min(MOST * view.least, scale));
    [view.x, view.y] = [Math.max(left, Math.min(right, x)), Math.max(top, Math.min(bottom, y))];
    aetool.tell("view");
    draw();
  }

  // Zoom by a factor so that the place under pixel (px, py) stays.
  function zoom(factor, px = view.width / 2, py = view.height / 2, slowly = false) {
    const [x, y] = toPlane(px, py);
    const scale = Math.max(0.5 * view.least, Math.min(MOST * view.least, view.scale * factor));
    const keep = view.scale / scale;
    moveTo({ x: x + (view.x - x) * keep, y: y + (view.y - y) * keep, scale }, slowly);
  }

  function pan(across, down) {
    cancelAnimationFrame(gliding);
    set({ x: view.x - across / view.scale, y: view.y + down / view.scale, scale: view.scale });
  }

  const toScreen = (x, y) => [(x - view.x) * view.scale + view.width / 2, (view.y - y) * view.scale + view.height / 2];
  const toPlane = (px, py) => [
    (px - view.width / 2) / view.scale + view.x,
    view.y - (py - view.height / 2) / view.scale,
  ];

  // Draw in the next frame.
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      drawNow();
      drawOver();
    });
  }

  function drawNow() {
    aetool.drawDots(base, view, space);
    aetool.drawPictures(base, view, space);
  }

  const drawOver = () => aetool.drawOverlay(over, view, space);

  let overAsked = false;
  // Draw what lies over the dots in the next frame, but not the dots.
  function redraw() {
    if (overAsked || asked) return;
    overAsked = true;
    requestAnimationFrame(() => {
      overAsked = false;
      drawOver();
    });
  }

  Object.assign(aetool, {
    startMap,
    map: { view, draw, drawNow, redraw, whole, zoom, pan, moveTo, toScreen, toPlane },
  });
})(globalThis.aetool);
