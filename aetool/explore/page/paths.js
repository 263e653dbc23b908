// Paths between latents, as `aetool interpolate` makes them: by line, slerp and graph, and even steps.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  const LINKS = 10; // nearest rows joined with a key
  const EVEN = 0.02, FINE = 64, ROUNDS = 60; // of even steps
  const SMALL = 1e-4; // sine of an angle without a unique arc

  const size = (x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  const spaced = (n) => Array.from({ length: n }, (_, i) => i / (n - 1));

  // Return a curve from a to b: a function of times from 0 to 1.
  const line = (a, b) => (t) => a.map((value, i) => (1 - t) * value + t * b[i]);

  function arc(a, b) {
    const lengths = size(a) * size(b), product = a.reduce((sum, value, i) => sum + value * b[i], 0);
    const angle = Math.acos(lengths > 0 ? Math.max(-1, Math.min(1, product / lengths)) : 1), whole = Math.sin(angle);
    if (whole < SMALL) return line(a, b);
    return (t) => a.map((value, i) => (Math.sin((1 - t) * angle) * value + Math.sin(t * angle) * b[i]) / whole);
  }

  // Return the curve of constant speed through points.
  function polyline(points) {
    const places = [0];
    points.slice(1).forEach((point, i) => places.push(places[i] + size(point.map((value, j) => value - points[i][j]))));
    const whole = places[places.length - 1];
    if (!whole) return line(points[0], points[points.length - 1]);
    return (t) => {
      const at = t * whole;
      let i = 0;
      while (i < points.length - 2 && places[i + 1] < at) i++;
      const step = places[i + 1] - places[i];
      return line(points[i], points[i + 1])(step ? Math.min(1, (at - places[i]) / step) : 0);
    };
  }

  // Return the rows of the path from latent a to latent b with the least sum of squared hops: Dijkstra's way, from b.
  function shortestPath(space, a, b) {
    const { latents, k, count, graph } = space;
    const [from, to] = [a, b].map((key) => aetool.nearest(latents, k, key, LINKS, count));
    if (size(a.map((value, i) => value - b[i])) <= from.distances[from.distances.length - 1]) return [];
    const least = new Float64Array(count).fill(Infinity), following = new Int32Array(count).fill(-1);
    const heap = aetool.heap();
    const offer = (row, cost, next) => {
      if (cost >= least[row]) return;
      [least[row], following[row]] = [cost, next];
      heap.push(cost, row);
    };
    to.rows.forEach((row, i) => offer(row, to.distances[i] ** 2, -1));
    const start = () => from.rows.map((row, i) => from.distances[i] ** 2 + least[row]);
    for (let bound = Infinity, top = heap.pop(); top && top[0] < bound; top = heap.pop()) {
      const [cost, row] = top;
      if (cost > least[row]) continue;
      if (from.rows.includes(row)) bound = Math.min(...start());
      const here = latents.subarray(row * k, row * k + k);
      for (let edge = graph.starts[row]; edge < graph.starts[row + 1]; edge++) {
        const end = graph.ends[edge];
        offer(end, cost + aetool.squared(latents, k, end, here), row);
      }
    }
    const costs = start(), way = [from.rows[costs.indexOf(Math.min(...costs))]];
    while (following[way[way.length - 1]] >= 0) way.push(following[way[way.length - 1]]);
    return way;
  }

  // Return a heap of rows by cost.
  function heap() {
    const items = [];
    const swap = (i, j) => ([items[i], items[j]] = [items[j], items[i]]);
    return {
      push(cost, row) {
        let i = items.push([cost, row]) - 1;
        for (; i && items[(i - 1) >> 1][0] > items[i][0]; i = (i - 1) >> 1) swap(i, (i - 1) >> 1);
      },
      pop() {
        if (!items.length) return null;
        swap(0, items.length - 1);
        const top = items.pop();
        for (let i = 0; ; ) {
          const [a, b] = [2 * i + 1, 2 * i + 2];
          if (a >= items.length) return top;
          const child = b < items.length && items[b][0] < items[a][0] ? b : a;
          if (items[i][0] <= items[child][0]) return top;
          swap(i, child);
          i = child;
        }
      },
    };
  }

  const CURVES = {
    lerp: (space, a, b) => line(a, b),
    slerp: (space, a, b) => arc(a, b),
    graph: (space, a, b) => {
      const { k, latents } = space;
      const middle = shortestPath(space, a, b).map((row) => [...latents.subarray(row * k, row * k + k)]);
      return polyline([a, ...middle, b]);
    },
  };

  // Return `steps` times of a curve with equal change in every step, within EVEN, and their unevenness; `changes` gives
  // the mse from picture to picture of latents.
  async function evenTimes(curve, steps, changes) {
    let times = spaced(Math.max(steps, FINE + 1)), best = spaced(steps), least = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const found = await changes(times.map((t) => Float32Array.from(curve(t))));
      if (!found.some(Boolean)) break;
      if (times.length === steps && unevenness(found) < least) [best, least] = [times, unevenness(found)];
      if (least <= EVEN) break;
      const way = [0];
      for (const change of found) way.push(way[way.length - 1] + Math.sqrt(change));
      times = spaced(steps).map((share) => interpolated(share * way[way.length - 1], way, times));
      [times[0], times[steps - 1]] = [0, 1];
    }
    return { times: best, uneven: Number.isFinite(least) ? least : 0 };
  }

  function unevenness(found) {
    const mean = found.reduce((a, b) => a + b, 0) / found.length;
    return Math.max(...found.map((change) => Math.abs(change - mean))) / mean;
  }

  // Return y at x, linear between the points (xs, ys); xs never fall. As numpy.interp, the last of equal xs counts.
  function interpolated(x, xs, ys) {
    let [low, high] = [0, xs.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      xs[middle] <= x ? (low = middle) : (high = middle);
    }
    const width = xs[high] - xs[low];
    return width ? ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / width : ys[high];
  }

  // Return {latents, uneven}: `steps` latents from each key to the next, keys counted once; with `changes`, even steps.
  async function walk(space, keys, way, steps, changes) {
    const wide = keys.map((key) => [...key]), latents = [];
    let uneven = 0;
    for (let i = 0; i + 1 < wide.length; i++) {
      const curve = CURVES[way](space, wide[i], wide[i + 1]);
      const found = changes ? await evenTimes(curve, steps, changes) : { times: spaced(steps), uneven: 0 };
      const last = i + 2 === wide.length ? steps : steps - 1;
      latents.push(...found.times.slice(0, last).map((t) => Float32Array.from(curve(t))));
      uneven = Math.max(uneven, found.uneven);
    }
    return { latents, uneven };
  }

  Object.assign(aetool, { shortestPath, heap, walk, EVEN });
})(globalThis.aetool);
