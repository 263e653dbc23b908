// The pure functions of the page at work: node numbers.js FOLDER; cases.json there in, results.json out.
"use strict";

const fs = require("fs"), path = require("path");
const [folder] = process.argv.slice(2), page = path.join(__dirname, "../../aetool/explore/page");
for (const name of ["random", "geometry", "space", "paths", "sampling", "scoring", "commands"]) require(path.join(page, `${name}.js`));

const { aetool } = globalThis, read = (name) => fs.readFileSync(path.join(folder, name));
const { data, asked } = JSON.parse(read("cases.json")), has = (name) => fs.existsSync(path.join(folder, name));
const names = ["latents", "positions", "labels", "edge_counts", "edge_ends", "root", "means", "sources"];
const aligned = (bytes) => new Uint8Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const blobs = Object.fromEntries(names.map((name) => [name, has(name) ? aligned(read(name)) : null]));
aetool.data = data;
const space = aetool.makeSpace(data, blobs), lists = (latents) => latents.map((latent) => Array.from(latent));

// The mse from picture to picture of a decoder that bends a projection: sin(3 z).
async function changes(latents) {
  const pictures = latents.map((latent) => Array.from(latent, (value) => Math.sin(3 * value)));
  return pictures.slice(1).map((one, i) => one.reduce((sum, value, j) => sum + (value - pictures[i][j]) ** 2, 0) / one.length);
}

const RUN = {
  numbers({ seed, count }) {
    const random = new aetool.Generator(...seed);
    return { whole: random.integers(2001, 7), single: Array.from(random.normals32(count)), few: random.integers(3, 8), wide: Array.from(random.normals(count)), even: random.uniform() };
  },
  sample: ({ label, count, seed }) => lists(aetool.sampled(space, label, count, seed, data.sampler.options)),
  perturb: ({ row, sigma, count, seed, place }) => lists(aetool.perturbed(space, aetool.latentOf(space, row), sigma, count, seed, place)),
  combine: ({ rows, weights }) => Array.from(aetool.combined(rows.map((row) => aetool.latentOf(space, row)), weights)),
  async walk({ keys, way, steps, even }) {
    const found = await aetool.walk(space, keys, way, steps, even ? changes : null);
    return { latents: lists(found.latents), uneven: found.uneven };
  },
  axes({ row, around }) {
    const near = aetool.nearest(space.latents, space.k, aetool.latentOf(space, row), around, space.count).rows;
    const { deviations, axes } = aetool.principalAxes(space.latents, space.k, near, 3);
    return { near, deviations, axes: lists(axes) };
  },
  grid: ({ row }) => lists(aetool.localGrid(space, aetool.latentOf(space, row), [0, 1], 5, 2, 20).latents),
  near: ({ places }) => places.map(([x, y]) => space.grid.near(x, y, 6)),
  mixtures: ({ places }) => places.map(([x, y]) => aetool.mixtureAt(space, x, y)),
  places: ({ latents }) => latents.map((latent) => aetool.placeOf(space, latent)),
  far: ({ latents }) => latents.map((latent) => aetool.farness(space, latent)),
  percentiles: ({ quantiles, values }) => values.map((value) => aetool.percentile(value, quantiles)),
  scores: ({ scoring, mse, distances }) => mse.map((one, i) => aetool.scored(scoring, [Math.sqrt(one)], [0], distances[i] ?? NaN).percentile),
  latents: ({ rows }) => lists(rows.map((row) => aetool.latentOf(space, row))),
  records: ({ rows }) => aetool.records(rows.map((row) => ({ latent: aetool.latentOf(space, row), name: `bank:${row}`, label: aetool.classOf(space, row) }))),
  lines: ({ words }) => aetool.commandLine("interpolate", words),
  fileKeys: ({ names }) => names.map(aetool.fileKey),
  mixtureKey: (mixture) => aetool.mixtureKey(mixture),
  inside: ({ polygon, places }) => places.map(([x, y]) => aetool.inside(polygon, x, y)),
};

(async () => {
  const results = [];
  for (const [name, given] of asked) results.push(await RUN[name](given));
  fs.writeFileSync(path.join(folder, "results.json"), JSON.stringify(results));
})();
