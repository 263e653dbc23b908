// A map of dots and the picture of the nearest, until the page is there.
"use strict";
globalThis.aetool = {};
aetool.ready = (async () => {
  const data = JSON.parse(document.getElementById("data").textContent), { model } = data;
  async function blob(name) {
    const element = document.getElementById(`blob-${name}`);
    const packed = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    const bytes = new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
    const planes = Number(element.dataset.planes || 1), n = Math.floor(bytes.length / planes), out = new Uint8Array(bytes.length);
    for (let p = 0; p < planes; p++) for (let i = 0; i < n; i++) out[i * planes + p] = bytes[p * n + i];
    out.set(bytes.subarray(n * planes), n * planes);
    return out;
  }
  const script = document.createElement("script");
  script.type = "module";
  script.textContent = new TextDecoder().decode(await blob("runtime")) + "globalThis.dispatchEvent(new Event('ort'));";
  await new Promise((done) => { addEventListener("ort", done, { once: true }); document.head.append(script); });
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await blob("wasm");
  const decoder = await ort.InferenceSession.create(await blob("decoder"));
  const positions = new Float32Array((await blob("positions")).buffer), labels = new Int16Array((await blob("labels")).buffer);
  const steps = new Int16Array((await blob("latents")).buffer), k = model.latent_size, { offset, scale } = data.quantisation;
  const n = positions.length / 2, xs = Array.from({ length: n }, (_, i) => positions[2 * i]), ys = Array.from({ length: n }, (_, i) => positions[2 * i + 1]);
  const low = [Math.min(...xs), Math.min(...ys)], high = [Math.max(...xs), Math.max(...ys)];
  const at = (i) => [0, 1].map((d) => ((positions[2 * i + d] - low[d]) / (high[d] - low[d] || 1)) * 780 + 10);
  const context = document.getElementById("map").getContext("2d");
  for (let i = 0; i < n; i++) {
    context.fillStyle = `hsl(${(labels[i] + 1) * 36} 70% 50%)`;
    context.fillRect(...at(i), 2, 2);
  }
  aetool.decode = async (latent) => {
    const found = await decoder.run({ latents: new ort.Tensor("float32", Float32Array.from(latent), [1, k]) });
    return Uint8Array.from(found.images.data, (v) => Math.round(255 * Math.min(1, Math.max(0, v))));
  };
  aetool.latent = (i) => Array.from({ length: k }, (_, j) => offset[j] + scale[j] * steps[i * k + j]);
  aetool.count = n;
})();
aetool.ready.catch((error) => { document.getElementById("said").textContent = String(error); });
