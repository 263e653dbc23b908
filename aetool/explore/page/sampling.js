// New latents: the sampler `local`, noise, sums and axes, with the random numbers of the commands.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  const BLOCKS = [16, 64, 256, 1024, 4096, 10000]; // latents per draw: other sizes give other latents for a seed
  const CHECKED = 10, ROUNDS = 20; // nearest latents in the check of a class, and most repetitions of doubtful ones

  // Return `count` latents of draw(size, block), whole blocks at a time.
  function inBlocks(count, draw) {
    const latents = [];
    for (let block = 0; latents.length < count; block++) latents.push(...draw(BLOCKS[Math.min(block, 5)], block));
    return latents.slice(0, count);
  }

  // Return `count` latents of a class, null for all, as `aetool sample` draws them with the sampler `local`.
  function sampled(space, label, count, seed, options) {
    const key = label === null ? 0 : aetool.crc32(space.classes[label]);
    return inBlocks(count, (size, block) => drawn(space, label, size, new aetool.Generator(seed, key, block), options));
  }

  function drawn(space, label, n, random, options) {
    const all = Array.from({ length: space.count }, (_, row) => row);
    if (label === null && !space.classes.length)
      return fromGroup(space, group(space, all, -1, options), n, random, options);
    const labels =
      label === null ? random.integers(all.length, n).map((row) => space.labels[row]) : new Array(n).fill(label);
    const groups = new Map();
    for (const one of [...new Set(labels)].sort((a, b) => a - b)) {
      groups.set(one, group(space, all.filter((row) => space.labels[row] === one), one, options));
    }
    const found = new Array(n);
    let again = labels.map((_, i) => i);
    for (let round = 0; round < ROUNDS && again.length; round++) {
      for (const [one, members] of groups) {
        const places = again.filter((i) => labels[i] === one);
        fromGroup(space, members, places.length, random, options).forEach((latent, i) => (found[places[i]] = latent));
      }
      again = again.filter((i) => share(space, found[i], labels[i], groups.get(labels[i]).rows.length) < options.pure);
    }
    return found;
  }

  // Return the rows of a class with their mean, and the factor that keeps their variance.
  function group(space, rows, label, { bandwidth }) {
    const variances = space.statistics.local_variances, r = variances[label < 0 ? variances.length - 1 : label];
    const mean = aetool.weighted(space.latents, space.k, { rows, weights: rows.map(() => 1 / rows.length) });
    return { rows, mean, shrink: Math.fround(1 / Math.sqrt(1 + bandwidth * bandwidth * r)) };
  }

  // Return n latents of a class, doubtful ones among them.
  function fromGroup(space, { rows, mean, shrink }, n, random, { count, bandwidth }) {
    const { k, latents } = space, chosen = random.integers(rows.length, n).map((i) => rows[i]);
    const m = Math.min(count, rows.length), normals = random.normals32(n * m), size = Math.sqrt(Math.max(1, m - 1));
    return chosen.map((row, number) => {
      const own = latents.subarray(row * k, row * k + k), around = aetool.nearest(latents, k, own, m, 0, rows).rows;
      const middle = aetool.weighted(latents, k, { rows: around, weights: around.map(() => 1 / m) });
      const noise = new Float64Array(k);
      around.forEach((other, i) => {
        const weight = normals[number * m + i] / size;
        for (let j = 0; j < k; j++) noise[j] += weight * (latents[other * k + j] - middle[j]);
      });
      return Float32Array.from(mean, (value, j) => value + shrink * (own[j] + bandwidth * noise[j] - value));
    });
  }

  // Return the share of the nearest latents of the bank in a class.
  function share(space, latent, label, size) {
    const near = aetool.nearest(space.latents, space.k, latent, CHECKED, space.count).rows.slice(0, size);
    return near.filter((row) => space.labels[row] === label).length / near.length;
  }

  // Return `count` variations of key number `place` of `aetool perturb`.
  function perturbed({ k, root }, latent, sigma, count, seed, place) {
    return inBlocks(count, (size, block) => {
      const normals = new aetool.Generator(seed, place, block).normals(size * k);
      return Array.from({ length: size }, (_, number) =>
        Float32Array.from(latent, (value, j) => {
          let noise = 0;
          for (let i = 0; i < k; i++) noise += normals[number * k + i] * root[i * k + j];
          return value + sigma * noise;
        }),
      );
    });
  }

  // Return the sum of latents, each times its weight.
  const combined = (latents, weights) =>
    Float32Array.from(latents[0], (_, j) => latents.reduce((sum, latent, i) => sum + weights[i] * latent[j], 0));

  // Return the latents of a grid around a latent: `across` along the first of two local axes, down along the second,
  // from -reach to reach deviations of the `around` nearest rows.
  function localGrid(space, latent, [first, second], across, reach, around) {
    const near = aetool.nearest(space.latents, space.k, latent, around, space.count).rows;
    const { axes, deviations } = aetool.principalAxes(space.latents, space.k, near, Math.max(first, second) + 1);
    const steps = Array.from({ length: across }, (_, i) => (across > 1 ? reach * ((2 * i) / (across - 1) - 1) : 0));
    const move = (number, step, j) => (axes[number] ? step * deviations[number] * axes[number][j] : 0);
    const at = (x, y) => Float32Array.from(latent, (value, j) => value + move(first, x, j) + move(second, y, j));
    return { latents: steps.flatMap((y) => steps.map((x) => at(x, y))), deviations, axes: axes.length };
  }

  Object.assign(aetool, { sampled, perturbed, combined, localGrid });
})(globalThis.aetool);
