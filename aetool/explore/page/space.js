// The latents of the page with their positions, classes and names: rows of the bank first, then the reader's files.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  const AROUND = 6; // nearest rows in mixtures, of which the last is the border
  const NEAREST = 5;
  const CLOSE = 0.03; // rows among which a latent is placed, and how far apart, in widths of the map, they may be
  const FLAT = 2; // most numbers of latents that are places themselves

  // Return latents (n, k) of 24 bits in three planes of bytes, in single precision.
  function widened(planes, k, { offset, scale }) {
    const n = planes.length / 3, latents = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      latents[i] = offset[i % k] + scale[i % k] * (planes[i] + 256 * planes[n + i] + 65536 * planes[2 * n + i]);
    }
    return latents;
  }

  // Return the neighbour graph in both directions from edges to higher rows: {starts, ends}.
  function bothWays(counts, ends) {
    const n = counts.length, starts = new Uint32Array(n + 1), sources = new Uint32Array(ends.length);
    for (let row = 0, at = 0; row < n; row++) {
      for (let i = 0; i < counts[row]; i++, at++) {
        sources[at] = row;
        starts[row + 1]++;
        starts[ends[at] + 1]++;
      }
    }
    for (let row = 0; row < n; row++) starts[row + 1] += starts[row];
    const next = starts.slice(), all = new Uint32Array(2 * ends.length);
    ends.forEach((end, i) => {
      all[next[sources[i]]++] = end;
      all[next[end]++] = sources[i];
    });
    return { starts, ends: all };
  }

  // Return the space of the page. `points` counts all rows, `count` those that mixtures and distances are made of.
  function makeSpace(data, blobs) {
    const k = data.model.latent_size, latents = widened(blobs.latents, k, data.quantisation);
    const floats = (bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const positions = floats(blobs.positions), labels = new Int16Array(blobs.labels.buffer.slice(0));
    const files = data.layers.flatMap((layer) => layer.files), points = labels.length, count = points - files.length;
    const space = { k, latents, positions, labels, points, count, files, classes: data.model.classes };
    space.hasRows = Boolean(data.bank);
    space.flat = k <= FLAT;
    space.sources = blobs.sources ? JSON.parse(new TextDecoder().decode(blobs.sources)) : null;
    space.means = floats(blobs.means);
    space.root = floats(blobs.root);
    space.grid = aetool.squares(positions, count);
    space.statistics = data.statistics;
    if (data.bank && blobs.edge_ends) {
      const counts = new Uint32Array(blobs.edge_counts.buffer.slice(0));
      const ends = new Uint16Array(blobs.edge_ends.buffer.slice(0));
      space.graph = bothWays(counts, ends);
    }
    return space;
  }

  // Return the latent of a row, k numbers.
  const latentOf = (space, row) => space.latents.slice(row * space.k, (row + 1) * space.k);

  // Return the rows and weights of which the latent at a place of the map is made.
  const mixtureAt = (space, x, y) => aetool.shares(space.grid.near(x, y, AROUND));

  // Return the place [x, y] of a latent on the map: the mean of those of its nearest rows that lie close together
  // there, the nearer the heavier, as the commands place the reader's files.
  function placeOf(space, latent) {
    if (space.flat) return [latent[0], space.k > 1 ? latent[1] : 0];
    if (!space.count) return [0, 0];
    const { rows, distances } = aetool.nearest(space.latents, space.k, latent, NEAREST, space.count);
    const { positions } = space;
    const { left, top, right, bottom } = space.grid.box;
    const reach = CLOSE * Math.max(right - left, bottom - top);
    const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
    const apart = (row) =>
      Math.hypot(positions[2 * row] - positions[2 * rows[0]], positions[2 * row + 1] - positions[2 * rows[0] + 1]);
    const weights = rows.map((row, i) => (apart(row) <= reach ? 1 / (distances[i] + 1e-6 * mean + 1e-30) : 0));
    const whole = weights.reduce((a, b) => a + b, 0);
    return [...aetool.weighted(positions, 2, { rows, weights: weights.map((weight) => weight / whole) })];
  }

  // Return the row nearest to a latent, its distance, and that in usual gaps between neighbours and in spreads.
  function farness(space, latent) {
    if (!space.count) return { row: -1, distance: NaN, gaps: NaN, spreads: NaN };
    const { rows, distances } = aetool.nearest(space.latents, space.k, latent, 1, space.count);
    const { nearest: gap, spread } = space.statistics;
    return {
      row: rows[0],
      distance: distances[0],
      gaps: gap ? distances[0] / gap : NaN,
      spreads: distances[0] / spread,
    };
  }

  // Return what a row is called: "bank:12", "sample 12" or the name of a file.
  function nameOf(space, row) {
    if (row >= space.count) return space.files[row - space.count];
    return space.hasRows ? `bank:${row}` : `sample ${row}`;
  }

  // Return the name of the class of a row, null for none.
  const classOf = (space, row) => (space.labels[row] >= 0 ? space.classes[space.labels[row]] : null);

  Object.assign(aetool, { widened, bothWays, makeSpace, latentOf, mixtureAt, placeOf, farness, nameOf, classOf });
})(globalThis.aetool);
