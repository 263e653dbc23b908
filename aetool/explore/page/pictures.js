// Pictures of the map in place of dots, where it is seen from near. They are decoded when they are first seen, a few at
// a time, and kept on one large canvas.
"use strict";

(function (aetool) {
  const SIDES = [22, 28, 36, 46, 58, 74]; // pixels of a picture's larger side
  const ATLAS = 2048, TILE = 64; // pixels of the canvas that keeps pictures, and of the largest kept picture
  const AT_ONCE = 8; // pictures decoded for a frame
  const ROOM = 11; // pixels from dot to dot, in a view with evenly spread dots, from which on pictures are shown

  const kept = new Map(); // row -> place on the canvas, the first of them unused for longest
  let atlas, tile, columns, capacity, boxes = [], wanted = [], working = false;

  function prepare() {
    const { width, height } = aetool.data.model, less = Math.min(1, TILE / Math.max(width, height));
    tile = { width: Math.max(1, Math.round(width * less)), height: Math.max(1, Math.round(height * less)) };
    columns = Math.floor(ATLAS / tile.width);
    capacity = columns * Math.floor(ATLAS / tile.height);
    atlas = aetool.el("canvas", { width: ATLAS, height: ATLAS }).getContext("2d");
  }

  // Return the rows to be shown as pictures, and the larger side of a picture in pixels: the reader's files, and rows
  // of the bank unless the map is seen from far away.
  function choose(view, space) {
    const [files, seen] = [visible(view, space, space.count, space.points), visible(view, space, 0, space.count)];
    const room = Math.sqrt((view.width * view.height) / Math.max(1, seen.length)), taken = new Map();
    const side = SIDES.findLast((one) => one <= 0.85 * room) || SIDES[0], cell = side * 1.06;
    const place = (row, axis) => (space.positions[2 * row + axis] * view.scale) / cell;
    const rows = (room < ROOM ? files : [...files, ...seen]).filter((row) => free(taken, place(row, 0), place(row, 1)));
    return { side, rows: rows.slice(0, capacity >> 1) };
  }

  // Return the rows in full colour within the view, of those from `first` to below `end`.
  function visible(view, space, first, end) {
    const [[left, top], [right, bottom]] = [
        aetool.map.toPlane(-30, -30),
        aetool.map.toPlane(view.width + 30, view.height + 30),
      ],
      rows = [];
    for (let row = first; row < end; row++) {
      const x = space.positions[2 * row], y = space.positions[2 * row + 1];
      if (x >= left && x <= right && y >= bottom && y <= top && aetool.isLight(space, row)) rows.push(row);
    }
    return rows;
  }

  // Take the square of a picture at (x, y), in sides, unless another lies over it; squares keep their place in a pan.
  function free(taken, x, y) {
    const [i, j] = [Math.floor(x), Math.floor(y)];
    for (let a = i - 1; a <= i + 1; a++) {
      for (let b = j - 1; b <= j + 1; b++) {
        const other = taken.get(`${a},${b}`);
        if (other && Math.abs(other[0] - x) < 1 && Math.abs(other[1] - y) < 1) return false;
      }
    }
    taken.set(`${i},${j}`, [x, y]);
    return true;
  }

  function drawPictures(canvas, view, space) {
    if (!atlas) prepare();
    const { side, rows } = choose(view, space);
    const context = canvas.getContext("2d", { alpha: false });
    const { width, height } = aetool.data.model;
    const [wide, high] = [width, height].map((s) => (side * s) / Math.max(width, height));
    context.setTransform(view.dots, 0, 0, view.dots, 0, 0);
    Object.assign(context, {
      imageSmoothingQuality: "high",
      imageSmoothingEnabled: side * view.dots < 2 * Math.max(tile.width, tile.height),
    });
    boxes = [];
    for (const row of rows.toReversed()) { // the reader's files last, over the others
      const [x, y] = aetool.map.toScreen(space.positions[2 * row], space.positions[2 * row + 1]), place = kept.get(row);
      if (place === undefined) continue;
      const own = row >= space.count, line = own ? 2.5 : 1.5;
      context.fillStyle = own ? aetool.ink() : aetool.cssColour(space.labels[row], space.classes.length);
      context.fillRect(x - wide / 2 - line, y - high / 2 - line, wide + 2 * line, high + 2 * line);
      const [left, top] = [(place % columns) * tile.width, Math.floor(place / columns) * tile.height];
      context.drawImage(atlas.canvas, left, top, tile.width, tile.height, x - wide / 2, y - high / 2, wide, high);
      boxes.push([row, x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    want(space, rows);
  }

  // Return the row whose picture is under a pixel of the map, -1 for none.
  function pictureAt(px, py) {
    const found = boxes.findLast(
      ([, left, top, right, bottom]) => px >= left && px <= right && py >= top && py <= bottom,
    );
    return found ? found[0] : -1;
  }

  // Decode pictures that are seen and not yet kept, nearest to the middle of the view first.
  function want(space, rows) {
    for (const row of rows) if (kept.has(row)) touch(row);
    wanted = rows.filter((row) => !kept.has(row));
    if (!working && wanted.length) work(space);
  }

  function touch(row) {
    const place = kept.get(row);
    kept.delete(row);
    kept.set(row, place);
  }

  async function work(space) {
    working = true;
    try {
      while (wanted.length) {
        const rows = wanted.splice(0, AT_ONCE);
        const decoded = await aetool.decodeAll(rows.map((row) => aetool.latentOf(space, row)));
        for (const [i, row] of rows.entries()) keep(row, await createImageBitmap(aetool.rgba(decoded[i])));
        aetool.map.draw();
        await new Promise(requestAnimationFrame);
      }
    } finally {
      working = false;
    }
  }

  function keep(row, bitmap) {
    let place = kept.size;
    if (place >= capacity) {
      const [oldest] = kept.keys();
      place = kept.get(oldest);
      kept.delete(oldest);
    }
    kept.set(row, place);
    const [left, top] = [(place % columns) * tile.width, Math.floor(place / columns) * tile.height];
    atlas.drawImage(bitmap, left, top, tile.width, tile.height);
  }

  Object.assign(aetool, { drawPictures, pictureAt });
})(globalThis.aetool);
