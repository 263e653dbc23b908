// Commands that make what is seen, and files of pictures and latents.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  const FEW = 32; // numbers of a latent that is typed in a command
  const MOST = 1000; // pictures of a sheet
  const GAP = 2, SIDE = 56; // pixels between pictures of a sheet, and of the smallest side of one

  // Return a word as a shell takes it.
  const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

  // Return a line for a shell. Words that begin with "<(" are commands whose output is a file.
  function commandLine(verb, words) {
    const { argument } = aetool.data.model, model = argument === null ? [] : ["-m", quoted(argument)];
    return ["aetool", verb, ...words.map((word) => (word.startsWith("<(") ? word : quoted(word))), ...model].join(" ");
  }

  // Return the word for a mixture of rows of the bank, as a key of a command.
  function mixtureKey({ rows, weights }) {
    const words = [...rows.map((row) => `bank:${row}`), "--weights", weights.join(","), "--latents"];
    return `<(${commandLine("combine", words)})`;
  }

  // Return the word for a file of the reader, which no command takes for an option or another key.
  const fileKey = (name) => (/^-|^[a-z]+:/.test(name) ? `./${name}` : name);

  // Return the word for a latent of few numbers, null for one that would make a line too long.
  function latentKey(latent) {
    if (latent.length > FEW) return null;
    return `<(echo '${JSON.stringify({ model: aetool.data.model.identity, latent: rounded(latent) })}')`;
  }

  // Return the numbers of a latent with nine digits, which give back every float32.
  const rounded = (latent) => Array.from(latent, (number) => Number(number.toPrecision(9)));

  // Return the command that makes the picture of a pin, null where none can.
  function pinCommand({ key, mixture, latent }) {
    if (key === null) return null;
    if (key === latentKey(latent)) return commandLine("decode", [key, "-o", "picture.png"]);
    const words = mixture
      ? [...mixture.rows.map((row) => `bank:${row}`), "--weights", mixture.weights.join(",")]
      : [key];
    return commandLine("combine", [...words, "-o", "picture.png"]);
  }

  // Return records of latents, as `aetool decode` takes them.
  function records(items) {
    const lines = items.map(({ latent, name, label }) => {
      const fields = { source: name, ...(label ? { class: label } : {}), model: aetool.data.model.identity };
      return JSON.stringify({ ...fields, latent: rounded(latent) });
    });
    return `${lines.join("\n")}\n`;
  }

  // Return a canvas with pictures in columns.
  function sheet(pictures, columns) {
    const { width, height } = pictures[0], times = Math.max(1, Math.ceil(SIDE / Math.min(width, height)));
    const [wide, high] = [width * times, height * times], rows = Math.ceil(pictures.length / columns);
    const canvas = aetool.el("canvas", { width: columns * (wide + GAP) - GAP, height: rows * (high + GAP) - GAP });
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    pictures.forEach((picture, i) => {
      const own = aetool.el("canvas", { width, height });
      own.getContext("2d").putImageData(picture, 0, 0);
      context.drawImage(own, (i % columns) * (wide + GAP), Math.floor(i / columns) * (high + GAP), wide, high);
    });
    return canvas;
  }

  // Hand a file to the reader.
  function save(name, content) {
    const address = URL.createObjectURL(
      content instanceof Blob ? content : new Blob([content], { type: "application/x-ndjson" }),
    );
    aetool.el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    aetool.say(`${name} saved`);
  }

  async function savePictures(name, items, columns) {
    if (items.length > MOST) aetool.say(`The first ${MOST} pictures are saved; all latents can be`);
    const decoded = await aetool.decodeAll(items.slice(0, MOST).map((item) => item.latent));
    sheet(decoded.map(aetool.rgba), columns).toBlob((content) => save(`${name}.png`, content), "image/png");
  }

  const saveLatents = (name, items) => save(`${name}.jsonl`, records(items));

  // Copy a text; without a clipboard it is selected, to be copied by hand.
  async function copy(field) {
    try {
      await navigator.clipboard.writeText(field.value);
      aetool.say("Command copied");
    } catch {
      field.select();
      aetool.say("The command is selected; copy it with Ctrl+C");
    }
  }

  Object.assign(aetool, {
    quoted,
    commandLine,
    fileKey,
    mixtureKey,
    latentKey,
    pinCommand,
    records,
    save,
    savePictures,
    saveLatents,
    copy,
  });
})(globalThis.aetool);
