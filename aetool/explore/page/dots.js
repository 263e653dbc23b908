// Dots of the map, in the colours of their classes. 20,000 dots are blended into pixels by hand, which is several times
// quicker than as many calls of a canvas.
"use strict";

(function (aetool) {
  // Ten colours that are told apart on light and on dark paper: Tableau 10.
  const TEN = ["4e79a7", "f28e2b", "e15759", "76b7b2", "59a14f", "edc948", "b07aa1", "ff9da7", "9c755f", "8f8a83"];
  const ALONE = [78, 121, 167]; // of points without classes
  const GOLDEN = 137.508; // degrees between the hues of many classes

  const FILES = -2; // stands for the reader's files among classes that are left out

  const shown = { hidden: new Set(), chosen: null }; // classes left out, and rows in the lasso
  let light, dim, buffer, image;

  // Return the colour [red, green, blue] of a class, -1 for none.
  function colourOf(label, count) {
    if (label < 0) return ALONE;
    if (count <= TEN.length) return [0, 2, 4].map((at) => parseInt(TEN[label].slice(at, at + 2), 16));
    const hue = (label * GOLDEN) % 360;
    const lightness = [0.5, 0.62, 0.42][label % 3];
    const part = 0.62 * Math.min(lightness, 1 - lightness);
    return [0, 8, 4].map((offset) => {
      const at = (offset + hue / 30) % 12;
      return Math.round(255 * (lightness - part * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
    });
  }

  const cssColour = (label, count) => `rgb(${colourOf(label, count).join(" ")})`;

  // Whether a row is in full colour: its class is not left out, and it is in the lasso if there is one.
  function isLight(space, row) {
    return !shown.hidden.has(row < space.count ? space.labels[row] : FILES) && (!shown.chosen || shown.chosen.has(row));
  }

  // Sort the rows into those in full colour and the pale ones; after a change of filter or lasso.
  function sortRows(space) {
    [light, dim] = [[], []];
    for (let row = 0; row < space.count; row++) (isLight(space, row) ? light : dim).push(row);
  }

  function drawDots(canvas, view, space) {
    if (!light) sortRows(space);
    const context = canvas.getContext("2d", { alpha: false });
    if (!image || image.width !== canvas.width || image.height !== canvas.height) {
      image = context.createImageData(canvas.width, canvas.height);
      buffer = new Int32Array(image.data.buffer);
    }
    const paper = channels("--map");
    const radius = view.dots * Math.max(1.35, Math.min(5, 1.5 * (view.scale / view.least) ** 0.4));
    buffer.fill(packed(paper));
    const dot = stamp(radius), files = Array.from({ length: space.points - space.count }, (_, i) => space.count + i);
    blend(space, view, dim, dot, () => channels("--pale"));
    blend(space, view, light, dot, (label) => colourOf(label, space.classes.length));
    blend(space, view, files.filter((row) => isLight(space, row)), stamp(radius + view.dots), () => channels("--ink"));
    context.putImageData(image, 0, 0);
  }

  // Return the numbers of a colour "r g b" in the style sheet.
  const channels = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim().split(" ").map(Number);
  const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red; // little-endian RGBA

  // Return a round dot: pixels [x, y] of its core, and [x, y, cover of 256] of its soft edge.
  function stamp(radius) {
    const reach = Math.ceil(radius), core = [], edge = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.round(256 * Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x, y))));
        if (cover === 256) core.push([x, y]);
        else if (cover > 0) edge.push([x, y, cover]);
      }
    }
    return { reach, core, edge };
  }

  // Blend dots into the buffer. One that lies in its own colour already, as most do in a crowd, is left out.
  function blend(space, view, rows, { reach, core, edge }, colour) {
    const { width, height } = image;
    const { positions, labels } = space;
    const inks = new Map();
    const offset = ([x, y]) => y * width + x;
    const inner = Int32Array.from(core, offset);
    const outer = Int32Array.from(edge, offset);
    const covers = Int32Array.from(edge, (pixel) => pixel[2]);
    const far = Math.max(...core.map(([x]) => x));
    const below = far * width;
    const scale = view.scale * view.dots;
    const [left, top] = [width / 2 - view.x * scale, height / 2 + view.y * scale];
    for (const row of rows) {
      const x = Math.round(positions[2 * row] * scale + left), y = Math.round(top - positions[2 * row + 1] * scale);
      if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      if (!inks.has(labels[row])) inks.set(labels[row], colour(labels[row]));
      const levels = inks.get(labels[row]);
      const ink = packed(levels);
      const at = y * width + x;
      if (
        buffer[at] === ink &&
        buffer[at - far] === ink &&
        buffer[at + far] === ink &&
        buffer[at - below] === ink &&
        buffer[at + below] === ink
      )
        continue;
      for (let i = 0; i < inner.length; i++) buffer[at + inner[i]] = ink;
      const [red, green, blue] = levels;
      for (let i = 0; i < outer.length; i++) {
        const place = at + outer[i], cover = covers[i], under = buffer[place];
        const [r, g, b] = [under & 255, (under >> 8) & 255, (under >> 16) & 255];
        buffer[place] =
          (255 << 24) |
          ((b + (((blue - b) * cover) >> 8)) << 16) |
          ((g + (((green - g) * cover) >> 8)) << 8) |
          (r + (((red - r) * cover) >> 8));
      }
    }
  }

  // Change which classes are left out, or which rows are in the lasso.
  function show(space, change) {
    Object.assign(shown, change);
    sortRows(space);
    aetool.tell("shown", shown);
    aetool.map.draw();
  }

  Object.assign(aetool, { FILES, colourOf, cssColour, isLight, drawDots, shown, show });
})(globalThis.aetool);
