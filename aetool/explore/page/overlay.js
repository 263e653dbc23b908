// What lies over the dots: the pointer with the rows that it mixes, pins, the path, the lasso and marked places.
"use strict";

(function (aetool) {
  const RADIUS = 11; // of a pin, pixels

  const over = { pointer: null, path: [], lasso: [], marked: null }; // of the plane; the lasso in pixels

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ink = () => `rgb(${style("--ink")})`;

  function drawOverlay(canvas, view, space) {
    const context = canvas.getContext("2d");
    context.setTransform(view.dots, 0, 0, view.dots, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    Object.assign(context, { lineJoin: "round", lineCap: "round", textAlign: "center", textBaseline: "middle" });
    if (over.pointer) drawPointer(context, space);
    if (over.path.length) drawPath(context);
    aetool.pins().forEach((pin, number) => drawPin(context, pin, number));
    if (over.marked) ring(context, aetool.map.toScreen(...over.marked), 13, 3);
    if (over.lasso.length) drawLasso(context);
  }

  // Draw the rows of which the picture under the pointer is made, and a ring around the pointer.
  function drawPointer(context, space) {
    const { x, y, rows, weights } = over.pointer, [px, py] = aetool.map.toScreen(x, y);
    rows.forEach((row, i) => {
      const place = aetool.map.toScreen(space.positions[2 * row], space.positions[2 * row + 1]);
      line(context, [[px, py], place], ink(), 1 + 1.5 * weights[i], 0.25 + 0.6 * weights[i]);
      ring(context, place, 4, 1.5);
    });
    ring(context, [px, py], 7, 2);
  }

  function line(context, places, colour, width, opacity = 1) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width, globalAlpha: opacity });
    context.beginPath();
    for (const [x, y] of places) context.lineTo(x, y);
    context.stroke();
    context.globalAlpha = 1;
  }

  // Draw a ring that is seen on light and on dark.
  function ring(context, [x, y], radius, width) {
    for (const [colour, wide] of [[`rgb(${style("--map")})`, width + 2], [ink(), width]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: wide });
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function drawPath(context) {
    const places = over.path.map(([x, y]) => aetool.map.toScreen(x, y));
    line(context, places, `rgb(${style("--map")})`, 6, 0.85);
    line(context, places, style("--accent"), 2.5);
    for (const [x, y] of places) disc(context, x, y, 3, style("--accent"));
  }

  function disc(context, x, y, radius, colour) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }

  function drawPin(context, pin, number) {
    const [x, y] = aetool.map.toScreen(...pin.place);
    disc(context, x, y, RADIUS + 2, `rgb(${style("--map")})`);
    disc(context, x, y, RADIUS, style("--accent"));
    Object.assign(context, { fillStyle: style("--on-accent"), font: "600 12px system-ui, sans-serif" });
    context.fillText(String(number + 1), x, y + 0.5);
  }

  function drawLasso(context) {
    context.beginPath();
    for (const [x, y] of over.lasso) context.lineTo(x, y);
    context.closePath();
    Object.assign(context, { fillStyle: style("--accent"), globalAlpha: 0.14 });
    context.fill();
    context.globalAlpha = 1;
    line(context, [...over.lasso, over.lasso[0]], style("--accent"), 1.5);
  }

  // Return the number of the pin under a pixel, -1 for none.
  function pinAt(px, py) {
    return aetool.pins().findLastIndex((pin) => {
      const [x, y] = aetool.map.toScreen(...pin.place);
      return Math.hypot(px - x, py - y) <= RADIUS + 4;
    });
  }

  // Change what lies over the dots.
  function lay(change) {
    Object.assign(over, change);
    aetool.map.redraw();
  }

  Object.assign(aetool, { over, lay, drawOverlay, pinAt, ink });
})(globalThis.aetool);
