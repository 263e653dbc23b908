// Distances, nearest points, mixtures of points, principal axes and polygons: pure functions of numbers.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  // Return the squared distance of a point (k numbers) to row `row` of rows of k numbers.
  function squared(rows, k, row, point) {
    let sum = 0;
    for (let i = 0, at = row * k; i < k; i++, at++) {
      const apart = rows[at] - point[i];
      sum += apart * apart;
    }
    return sum;
  }

  // Return {rows, distances} of the `m` rows nearest to a point, nearest first. `among` are numbers of rows; without
  // them the first `count` rows are searched.
  function nearest(rows, k, point, m, count, among) {
    const most = Math.min(m, among ? among.length : count), found = [], apart = [];
    for (let i = 0; i < (among ? among.length : count); i++) {
      const row = among ? among[i] : i, distance = squared(rows, k, row, point);
      if (found.length === most && distance >= apart[most - 1]) continue;
      let at = Math.min(found.length, most - 1);
      for (; at > 0 && apart[at - 1] > distance; at--) [found[at], apart[at]] = [found[at - 1], apart[at - 1]];
      [found[at], apart[at]] = [row, distance];
    }
    return { rows: found, distances: apart.map(Math.sqrt) };
  }

  // Return rows 0 to m - 2 of the m nearest with weights that sum to 1, in thousandths. A row alone counts where the
  // point is on it, and rows leave at weight 0 when others come nearer, so that a moving point meets no jump.
  function shares({ rows, distances }) {
    const end = distances[distances.length - 1], kept = Math.max(1, rows.length - 1);
    if (!(distances[0] > 1e-9 * end) || kept === 1) return { rows: rows.slice(0, 1), weights: [1] };
    const raw = distances.slice(0, kept).map((distance) => ((end - distance) / (end * distance)) ** 2);
    const whole = raw.reduce((a, b) => a + b, 0);
    if (!(whole > 0)) return { rows: rows.slice(0, 1), weights: [1] };
    const parts = raw.map((part) => Math.round((1000 * part) / whole));
    parts[0] += 1000 - parts.reduce((a, b) => a + b, 0);
    const used = rows.slice(0, kept).filter((_, i) => parts[i]);
    return { rows: used, weights: parts.filter(Boolean).map((part) => part / 1000) };
  }

  // Return the sum of rows of k numbers, each times its weight, in single precision.
  function weighted(rows, k, { rows: chosen, weights }) {
    const sum = new Float64Array(k);
    chosen.forEach((row, i) => {
      for (let j = 0; j < k; j++) sum[j] += weights[i] * rows[row * k + j];
    });
    return Float32Array.from(sum);
  }

  // Return squares of a plane with the points inside, to find those near a place: {near(x, y, m)}.
  function squares(positions, count) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < count; i++) {
      [left, right] = [Math.min(left, positions[2 * i]), Math.max(right, positions[2 * i])];
      [top, bottom] = [Math.min(top, positions[2 * i + 1]), Math.max(bottom, positions[2 * i + 1])];
    }
    if (!count) [left, top, right, bottom] = [0, 0, 1, 1];
    const sides = Math.max(1, Math.ceil(Math.sqrt(count / 8)));
    const side = Math.max(right - left, bottom - top, 1e-9) / sides;
    const cell = (value, low) => Math.max(0, Math.min(sides - 1, Math.floor((value - low) / side)));
    const cells = Array.from({ length: sides * sides }, () => []);
    for (let i = 0; i < count; i++)
      cells[cell(positions[2 * i + 1], top) * sides + cell(positions[2 * i], left)].push(i);
    const near = (x, y, m) => {
      const [column, line] = [cell(x, left), cell(y, top)], found = [];
      for (let ring = 0, last = sides; ring <= last; ring++) {
        for (let j = line - ring; j <= line + ring; j++) {
          const step = Math.abs(j - line) === ring ? 1 : 2 * ring || 1;
          for (let i = column - ring; j >= 0 && j < sides && i <= column + ring; i += step) {
            if (i >= 0 && i < sides) found.push(...cells[j * sides + i]);
          }
        }
        if (last === sides && found.length >= m) {
          const far = nearest(positions, 2, [x, y], m, 0, found).distances[m - 1];
          last = Math.min(sides, Math.max(ring, Math.ceil(far / side + 1)));
        }
      }
      return nearest(positions, 2, [x, y], m, 0, found);
    };
    return { near, box: { left, top, right, bottom } };
  }

  // Return eigenvalues, largest first, and eigenvectors of a symmetric matrix (arrays of arrays): Jacobi's rotations.
  function eigen(matrix) {
    const n = matrix.length, a = matrix.map((line) => Float64Array.from(line));
    const v = a.map((_, i) => Float64Array.from({ length: n }, (_, j) => Number(i === j)));
    for (let sweep = 0; sweep < 30; sweep++) {
      let off = 0, on = 0;
      for (let p = 0; p < n; p++) for (let q = 0; q < n; q++) p === q ? (on += a[p][p] ** 2) : (off += a[p][q] ** 2);
      if (off <= 1e-22 * on) break;
      for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, p, q);
    }
    const order = [...v.keys()].sort((i, j) => a[j][j] - a[i][i]);
    return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v[i]) };
  }

  // Turn rows and columns p and q of `a`, and rows of `v`, so that a[p][q] vanishes.
  function rotate(a, v, p, q) {
    if (a[p][q] === 0) return;
    const slope = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    const t = (slope >= 0 ? 1 : -1) / (Math.abs(slope) + Math.hypot(slope, 1)), c = 1 / Math.hypot(t, 1), s = t * c;
    for (let i = 0; i < a.length; i++) [a[i][p], a[i][q]] = [c * a[i][p] - s * a[i][q], s * a[i][p] + c * a[i][q]];
    for (const m of [a, v]) {
      for (let i = 0; i < a.length; i++) [m[p][i], m[q][i]] = [c * m[p][i] - s * m[q][i], s * m[p][i] + c * m[q][i]];
    }
  }

  // Return the principal axes of chosen rows of k numbers: {deviations, axes}, widest first, at most `most`. The first
  // large number of an axis is positive, so that axes do not turn about at random.
  function principalAxes(rows, k, chosen, most) {
    const mean = weighted(rows, k, { rows: chosen, weights: chosen.map(() => 1 / chosen.length) });
    const apart = chosen.map((row) => Float64Array.from(mean, (value, i) => rows[row * k + i] - value));
    const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const { values, vectors } = eigen(apart.map((x) => apart.map((y) => dot(x, y)))); // k x k may be many more
    const count = values.slice(0, Math.min(most, k)).filter((value) => value > 1e-10 * (values[0] || 1)).length;
    const axes = vectors.slice(0, count).map((vector, i) => {
      const axis = new Float64Array(k);
      vector.forEach((share, row) =>
        apart[row].forEach((value, j) => (axis[j] += (share * value) / Math.sqrt(values[i]))),
      );
      const large = axis.reduce((best, value, j) => (Math.abs(value) > Math.abs(axis[best]) ? j : best), 0);
      return axis[large] < 0 ? axis.map((value) => -value) : axis;
    });
    return {
      deviations: values.slice(0, count).map((value) => Math.sqrt(value / Math.max(1, chosen.length - 1))),
      axes,
    };
  }

  // Return whether a place is inside a polygon of [x, y].
  function inside(polygon, x, y) {
    let is = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
      const [[x0, y0], [x1, y1]] = [polygon[i], polygon[j]];
      if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) is = !is;
    }
    return is;
  }

  Object.assign(aetool, { squared, nearest, shares, weighted, squares, eigen, principalAxes, inside });
})(globalThis.aetool);
