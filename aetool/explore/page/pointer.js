// Mouse, touch and keys on the map.
"use strict";

(function (aetool) {
  const STILL = 5; // pixels that a click may move
  const NEAR = 9; // pixels from a dot within which a click means the dot
  const STEP = 24, WHEEL = 1.0016; // pixels of an arrow key, and zoom a pixel of a wheel

  const touching = new Map(); // pointers that are down -> [x, y]
  let space, stage, action = null, lassoing = false;

  function startPointer(given) {
    [space, stage] = [given, aetool.byId("map")];
    const listen = (name, listener) => stage.addEventListener(name, listener, { passive: false });
    listen("pointerdown", down);
    listen("pointermove", move);
    listen("pointerup", up);
    listen("pointercancel", cancel);
    listen("pointerleave", (event) => event.pointerType === "mouse" && !touching.size && point(null));
    listen("wheel", wheel);
    listen("keydown", key);
    listen("contextmenu", (event) => event.preventDefault());
  }

  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const isTool = (event) => event.target.closest("button, a, input");

  function down(event) {
    if (isTool(event) || event.button > 0) return;
    const [x, y] = at(event);
    touching.set(event.pointerId, [x, y]);
    try {
      stage.setPointerCapture(event.pointerId);
    } catch {
      // events made by a program have no pointer to capture
    }
    if (touching.size > 1) action = { kind: "pinch", ...pinched() };
    else if (lassoing || event.shiftKey) action = { kind: "lasso", points: [[x, y]] };
    else
      action = { kind: aetool.pinAt(x, y) >= 0 ? "pin" : "pan", pin: aetool.pinAt(x, y), from: [x, y], moved: false };
  }

  function move(event) {
    const [x, y] = at(event), before = touching.get(event.pointerId);
    if (before) touching.set(event.pointerId, [x, y]);
    if (!before || !action) return isTool(event) ? undefined : point([x, y]);
    if (action.kind === "pinch") return pinch();
    if (action.kind === "lasso") {
      action.points.push([x, y]);
      return aetool.lay({ lasso: action.points, pointer: null });
    }
    action.moved = action.moved || Math.hypot(x - action.from[0], y - action.from[1]) > STILL;
    if (!action.moved) return undefined;
    if (action.kind === "pin") return aetool.movePin(action.pin, pinOf(x, y));
    aetool.map.pan(x - before[0], y - before[1]);
    return point(event.pointerType === "mouse" ? [x, y] : null);
  }

  function up(event) {
    const [x, y] = at(event), ended = action;
    touching.delete(event.pointerId);
    if (!ended) return;
    action = touching.size ? { kind: "pan", from: [...touching.values()][0], moved: true } : null;
    if (ended.kind === "lasso") return finishLasso(ended.points);
    if (ended.kind === "pinch" || ended.moved) return undefined;
    point([x, y]);
    const pins = ended.kind === "pan" && event.pointerType !== "touch"; // a touch looks first
    if (space.count && pins) aetool.addPin(pinOf(x, y));
    return undefined;
  }

  function cancel(event) {
    touching.delete(event.pointerId);
    action = null;
    aetool.lay({ lasso: [] });
  }

  // Return the distance and the middle of two fingers.
  function pinched() {
    const [[x0, y0], [x1, y1]] = [...touching.values()];
    return { apart: Math.hypot(x1 - x0, y1 - y0), middle: [(x0 + x1) / 2, (y0 + y1) / 2] };
  }

  function pinch() {
    const now = pinched();
    aetool.map.pan(now.middle[0] - action.middle[0], now.middle[1] - action.middle[1]);
    aetool.map.zoom(now.apart / Math.max(1, action.apart), ...now.middle);
    Object.assign(action, now);
  }

  function wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    aetool.map.zoom(WHEEL ** (-event.deltaY * lines * (event.ctrlKey ? 4 : 1)), ...at(event));
    point(at(event));
  }

  const KEYS = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTool(event)) return;
    const { view } = aetool.map, here = screenOfPointer();
    if (event.key in KEYS) {
      const [x, y] = KEYS[event.key];
      if (event.shiftKey) aetool.map.pan(-4 * STEP * x, -4 * STEP * y);
      else
        point(
          [here[0] + STEP * x, here[1] + STEP * y].map((value, i) =>
            Math.max(0, Math.min(i ? view.height : view.width, value)),
          ),
        );
    } else if (event.key === "Enter" || event.key === " ") space.count && aetool.addPin(pinOf(...here));
    else if (event.key === "+" || event.key === "=") aetool.map.zoom(1.5, ...here, true);
    else if (event.key === "-") aetool.map.zoom(1 / 1.5, ...here, true);
    else if (event.key === "0" || event.key === "Home") aetool.map.whole();
    else if (event.key.toLowerCase() === "l") setLasso(!lassoing);
    else if (event.key === "Escape") escape();
    else if (event.key === "Backspace" || event.key === "Delete") aetool.removePin(aetool.pins().length - 1);
    else return;
    event.preventDefault();
  }

  function escape() {
    action = null;
    setLasso(false);
    aetool.lay({ lasso: [] });
    aetool.show(space, { chosen: null });
  }

  function screenOfPointer() {
    const { view, toScreen } = aetool.map, { pointer } = aetool.over;
    return pointer ? toScreen(pointer.x, pointer.y) : [view.width / 2, view.height / 2];
  }

  // Point at a pixel, null for nowhere.
  function point(pixel) {
    if (!pixel || !space.count) return aetool.lay({ pointer: null });
    const pin = pinOf(...pixel), [x, y] = aetool.map.toPlane(...pixel);
    const alone = pin.row === undefined ? { rows: [], weights: [] } : { rows: [pin.row], weights: [1] };
    aetool.lay({ pointer: { x, y, ...(pin.mixture || alone) } });
    return aetool.tell("pointed", pin);
  }

  // Return the pin of a pixel: the row whose picture or dot is there, else what lies between the rows around.
  function pinOf(px, py) {
    const [x, y] = aetool.map.toPlane(px, py);
    const seen = aetool.pictureAt(px, py);
    const { rows, distances } = space.grid.near(x, y, 1);
    if (seen >= 0) return aetool.pinOfRow(space, seen);
    return distances[0] * aetool.map.view.scale <= NEAR
      ? aetool.pinOfRow(space, rows[0])
      : aetool.pinOfPlace(space, x, y);
  }

  // Choose the rows inside a polygon of pixels.
  function finishLasso(points) {
    aetool.lay({ lasso: [] });
    setLasso(false);
    const polygon = points.map(([x, y]) => aetool.map.toPlane(x, y)), chosen = new Set();
    for (let row = 0; row < space.count; row++) {
      if (aetool.shown.hidden.has(space.labels[row])) continue;
      if (aetool.inside(polygon, space.positions[2 * row], space.positions[2 * row + 1])) chosen.add(row);
    }
    aetool.show(space, { chosen: points.length > 2 && chosen.size ? chosen : null });
  }

  function setLasso(on) {
    lassoing = on;
    aetool.byId("lasso").setAttribute("aria-pressed", String(on));
    stage.classList.toggle("lassoing", on);
  }

  Object.assign(aetool, { startPointer, toggleLasso: () => setLasso(!lassoing), pointAt: point });
})(globalThis.aetool);
