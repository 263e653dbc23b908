// The start: blobs are unpacked, the map is drawn, then the graphs are opened.
"use strict";

(function (aetool) {
  const { byId, blob, short, counted } = aetool;
  const BLOBS = ["latents", "positions", "labels", "edge_counts", "edge_ends", "root", "means", "sources"];

  // Say what the page shows, and what it lacks.
  function describe({ title, model, bank, map }, space) {
    const kinds = { "t-SNE": "t-SNE map", latents: "the two numbers of each latent", samples: "map of samples" };
    const size = `${model.width} × ${model.height}${model.channels === 1 ? "" : ` × ${model.channels}`}`;
    const quality = model.mse === null ? "" : ` · mse ${short(model.mse)} (PCA ${short(model.pca_mse)})`;
    byId("title").textContent = title;
    byId("about").textContent =
      `${counted(space.count, bank ? "latent" : "sample")} of ${model.latent_size} numbers · pictures of ${size}` +
      ` · ${kinds[map.kind] || map.kind}${quality}`;
    byId("shown-count").textContent = counted(space.count, bank ? "latent" : "sample");
  }

  function buttons(space) {
    const tools = {
      "zoom-in": () => aetool.map.zoom(1.6, undefined, undefined, true),
      "zoom-out": () => aetool.map.zoom(1 / 1.6, undefined, undefined, true),
      whole: () => aetool.map.whole(),
      lasso: aetool.toggleLasso,
      "clear-pins": aetool.clearPins,
      "save-pins": () => aetool.saveLatents("pins", aetool.pins()),
      "save-map": saveMap,
      "pin-mean": () => pinMean(space),
    };
    for (const [id, press] of Object.entries(tools)) byId(id).addEventListener("click", press);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", aetool.map.draw);
  }

  // Pin the mean of the only class in colour, else of all.
  function pinMean(space) {
    const seen = [...space.classes.keys()].filter((label) => !aetool.shown.hidden.has(label));
    aetool.addPin(aetool.pinOfMean(space, seen.length === 1 ? seen[0] : null));
  }

  function saveMap() {
    const [dots, over] = [byId("dots"), byId("over")];
    const both = aetool.el("canvas", { width: dots.width, height: dots.height });
    for (const canvas of [dots, over]) both.getContext("2d").drawImage(canvas, 0, 0);
    both.toBlob((content) => aetool.save("map.png", content), "image/png");
  }

  async function start() {
    const data = (aetool.data = JSON.parse(byId("data").textContent));
    const blobs = Object.fromEntries(await Promise.all(BLOBS.map(async (name) => [name, await blob(name)])));
    const space = (aetool.space = aetool.makeSpace(data, blobs));
    describe(data, space);
    aetool.startMap(space);
    await aetool.openModel(data.model);
    aetool.startPanels(space);
    aetool.startTabs(space);
    aetool.startPointer(space);
    aetool.startPicture(space);
    buttons(space);
    byId("loading").hidden = true;
    aetool.map.draw();
  }

  // For tests: paths of rows or latents, and samples of a class.
  async function pathOf(keys, way, steps) {
    const latents = keys.map((key) => (typeof key === "number" ? aetool.latentOf(aetool.space, key) : key));
    const even = way === "even";
    return (await aetool.walk(aetool.space, latents, even ? "lerp" : way, steps, even ? aetool.changes : null)).latents;
  }

  const sample = (label, count, seed) => aetool.sampled(aetool.space, label, count, seed, aetool.data.sampler.options);

  Object.assign(aetool, { path: pathOf, sample });
  aetool.ready = start().catch((error) => {
    byId("loading").textContent = `This page could not start: ${error.message}`;
    throw error;
  });
})(globalThis.aetool);
