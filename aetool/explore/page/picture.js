// A picture of the reader's own: prepared, encoded, placed on the map, reconstructed and scored.
"use strict";

(function (aetool) {
  const { el, byId, short } = aetool;
  let own = null; // {name, pixels, latent, again, score}

  // Return the levels (c, h, w) of a picture file, prepared as the commands prepare it.
  async function prepare(file) {
    const { channels, height, width, background, preparation_version: version } = aetool.data.model;
    if (channels !== 1 && channels !== 3)
      throw new Error(`The model takes ${channels} channels; a page can show a picture to models of 1 or 3.`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      throw new Error(
        `${file.name || "This file"} is no picture that this browser can read; PNG, JPEG, GIF and WebP are.`,
      );
    }
    const data = pixelsOf(bitmap);
    const picture = { data, width: bitmap.width, height: bitmap.height, upright: true, bytes, ...jpegHeader(bytes) };
    return preparePicture(picture, { channels, height, width, background, version });
  }

  // Return the pixels of a bitmap as RGBA. A 2D canvas rounds colours behind alpha, so there a texture is read instead.
  function pixelsOf(bitmap) {
    const { width, height } = bitmap;
    const context = el("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return textureOf(bitmap) || data;
    return data;
  }

  // Return the same read from a texture, null without WebGL or for a bitmap that it cannot hold.
  function textureOf(bitmap) {
    const { width, height } = bitmap, gl = el("canvas", { width: 1, height: 1 }).getContext("webgl2");
    if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
    const data = new Uint8ClampedArray(4 * width * height);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(
      gl.FRAMEBUFFER,
      gl.COLOR_ATTACHMENT0,
      gl.TEXTURE_2D,
      gl.getParameter(gl.TEXTURE_BINDING_2D),
      0,
    );
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    return gl.getError() === gl.NO_ERROR ? data : null;
  }

  // Take a file of the reader: encode it, pin it and show its score.
  async function take(space, file) {
    aetool.openView("picture");
    try {
      const pixels = await prepare(file), latent = await aetool.encode(pixels), again = await aetool.images([latent]);
      const numbers = Float32Array.from(pixels, (level) => level / 255);
      const distance = space.hasRows ? aetool.farness(space, latent).distance : NaN;
      const score = aetool.scored(space.statistics.scoring, numbers, again, distance);
      own = { name: file.name || "picture", pixels, latent, score };
      const pin = aetool.pinOfLatent(space, { latent, name: own.name, label: null, key: aetool.fileKey(own.name) });
      aetool.addPin(pin);
      aetool.showPointed(pin);
      aetool.lay({ marked: pin.place });
    } catch (error) {
      own = { error: error.message };
    }
    aetool.tell("picture");
  }

  async function takeAll(space, files) {
    for (const file of files) await take(space, file);
  }

  function figures({ mse, distance, percentile }) {
    const usual = Number.isNaN(percentile)
      ? ""
      : `More unusual than ${percentile.toFixed(percentile > 99 && percentile < 100 ? 2 : 1)} % of held-out pictures`;
    const rows = [
      ["Percentile", Number.isNaN(percentile) ? "–" : percentile.toFixed(2)],
      ["mse", mse.toPrecision(3)],
      ["Distance to the bank", Number.isNaN(distance) ? "–" : short(distance)],
    ];
    const list = el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    return el("div", { class: `score ${percentile >= 99 ? "far" : "near"}` }, usual ? el("p", {}, usual) : null, list);
  }

  // Return how far two pictures differ, white for all of the range, as a picture.
  function difference(one, other) {
    const found = new ImageData(one.width, one.height);
    found.data.forEach((_, i) => (found.data[i] = i % 4 === 3 ? 255 : Math.abs(one.data[i] - other.data[i])));
    return found;
  }

  const picture = {
    id: "picture", title: "Your picture", follows: ["picture"],
    settings(space) {
      return [{ id: "file", label: "Choose a picture", kind: "file", press: (files) => takeAll(space, files) }];
    },
    make(space) {
      if (!own)
        return { items: [], note: "Drop a picture anywhere on the page, or choose one. It stays on this machine." };
      if (own.error) return { items: [], note: own.error };
      const { name, latent, pixels, score } = own;
      const extra = ([again]) => {
        const three = [
          ["Prepared", aetool.rgba(pixels)],
          ["Reconstruction", again],
          ["Difference", difference(aetool.rgba(pixels), again)],
        ];
        return el(
          "div",
          { class: "own" },
          ...three.map(([text, image]) =>
            el("figure", {}, aetool.pictureOf(image, `${text} of ${name}`), el("figcaption", {}, text)),
          ),
          figures(score),
        );
      };
      const note = space.hasRows
        ? null
        : "The percentile is by the mse alone: this page has no bank to measure the distance to.";
      return {
        items: [{ latent, name, label: null, key: aetool.fileKey(name) }],
        command: aetool.commandLine("score", [aetool.fileKey(name)]),
        note,
        extra,
        instead: true,
      };
    },
  };

  function startPicture(space) {
    const stop = (event) => event.preventDefault();
    for (const name of ["dragover", "dragenter"])
      document.addEventListener(name, (event) => {
        stop(event);
        document.body.classList.add("dropping");
      });
    document.addEventListener(
      "dragleave",
      (event) => event.relatedTarget || document.body.classList.remove("dropping"),
    );
    document.addEventListener("drop", (event) => {
      stop(event);
      document.body.classList.remove("dropping");
      takeAll(space, event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => takeAll(space, event.clipboardData.files));
    byId("drop-hint").hidden = false;
  }

  aetool.views.push(picture);
  Object.assign(aetool, { prepare, startPicture });
})(globalThis.aetool);
