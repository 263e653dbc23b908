// The encoder and the decoder at work: ONNX Runtime in WebAssembly, one run at a time.
"use strict";

(function (aetool) {
  const SLICE = 10; // milliseconds of pictures decoded at a time, so that the map stays quick

  const graphs = {}; // sessions by name
  let model, opened;
  let busy = new Promise((done) => (opened = done)); // what runs now; at first the opening of both graphs
  let each = 4; // milliseconds a picture, measured

  // Load the runtime, whose text is a module that sets globalThis.ort. It may not take the page's own address for that
  // of a folder with its files, which some browsers refuse for pages without a server.
  async function loadRuntime() {
    const module = new TextDecoder().decode(await aetool.blob("runtime")), wasm = await aetool.blob("wasm");
    const text = module.replaceAll("import.meta.url", '"blob:runtime"');
    await new Promise((done, failed) => {
      const script = aetool.el("script", { type: "module", onload: done, onerror: failed });
      script.textContent = `${text}\n;globalThis.dispatchEvent(new Event("aetool-runtime"));`;
      globalThis.addEventListener("aetool-runtime", done, { once: true });
      document.head.append(script);
    });
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: wasm });
  }

  // Make both graphs ready.
  async function openModel(described) {
    model = described;
    await loadRuntime();
    for (const name of ["decoder", "encoder"]) {
      const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
      graphs[name] = await ort.InferenceSession.create(await aetool.blob(name), options);
    }
    opened();
  }

  // Run a graph on numbers of a shape, after all runs before.
  function run(graph, numbers, shape) {
    const result = busy.then(async () => {
      const session = graphs[graph], [name] = session.inputNames;
      const outputs = await session.run({ [name]: new ort.Tensor("float32", numbers, shape) });
      return outputs[session.outputNames[0]].data;
    });
    busy = result.then(() => {}, () => {});
    return result;
  }

  // Return the images of latents as numbers from 0 to 1, (n, c, h, w) in one array.
  async function images(latents) {
    const k = model.latent_size, size = model.channels * model.height * model.width;
    const all = new Float32Array(latents.length * size);
    for (let start = 0; start < latents.length; ) {
      const part = latents.slice(start, start + Math.max(1, Math.min(64, Math.floor(SLICE / each))));
      const numbers = new Float32Array(part.length * k);
      part.forEach((latent, i) => numbers.set(latent, i * k));
      const began = performance.now();
      all.set(await run("decoder", numbers, [part.length, k]), start * size);
      each = Math.max(0.05, 0.8 * each + (0.2 * (performance.now() - began)) / part.length);
      start += part.length;
      if (start < latents.length) await pause();
    }
    return all;
  }

  // Let the browser draw and listen before more is computed.
  const pause = () => new Promise((done) => setTimeout(done));

  // Return the levels (0 to 255) of latents: a Uint8Array (c, h, w) each.
  async function decodeAll(latents) {
    const size = model.channels * model.height * model.width, found = await images(latents);
    return latents.map((_, i) => levels(found.subarray(i * size, (i + 1) * size)));
  }

  const levels = (numbers) => Uint8Array.from(numbers, (number) => Math.round(255 * Math.min(1, Math.max(0, number))));
  const decode = async (latent) => (await decodeAll([latent]))[0];

  // Return the latent of prepared levels (c, h, w).
  async function encode(pixels) {
    const numbers = Float32Array.from(pixels, (level) => Math.fround(level / 255));
    return Float32Array.from(await run("encoder", numbers, [1, model.channels, model.height, model.width]));
  }

  // Return the mse from picture to picture of latents.
  async function changes(latents) {
    const found = await images(latents), size = found.length / latents.length;
    return latents.slice(1).map((_, i) => {
      let sum = 0;
      for (let j = i * size; j < (i + 1) * size; j++) sum += (found[j + size] - found[j]) ** 2;
      return sum / size;
    });
  }

  // Return the pixels of a picture as RGBA.
  function rgba(pixels) {
    const { channels, height, width } = model, plane = height * width, data = new Uint8ClampedArray(4 * plane);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) data[4 * i + c] = pixels[channels >= 3 ? c * plane + i : i];
      data[4 * i + 3] = 255;
    }
    return new ImageData(data, width, height);
  }

  Object.assign(aetool, { openModel, images, decodeAll, decode, encode, changes, rgba });
})(globalThis.aetool);
