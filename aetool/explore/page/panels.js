// Parts beside the map: pictures on their own canvas, what is under the pointer, the legend, and the row of pins.
"use strict";

(function (aetool) {
  const { el, byId, short, counted } = aetool;
  const EDGE = [1.6, 0.1], FAR = [3, 0.25]; // usual gaps between neighbours, and spreads of the bank, from which on
  const SAME = 1e-3; // gaps of a latent that is a row itself
  const SHORT = 9; // letters of names of which two fit beside one another
  const MANY = 24; // classes from which on the legend has a field to search in

  let space, latest = null, pointed = null, decoding = false;

  // Return a canvas with a picture: ImageData, or null while it is decoded.
  function pictureOf(image, text) {
    const { width, height } = aetool.data.model;
    const canvas = el("canvas", { width, height, role: "img", "aria-label": text });
    if (image) canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // Return how far a latent is from real ones: {level, words, measure}. Where numbers are few gaps are small, so far is
  // what is some gaps and some part of the spread away.
  function trust({ gaps, spreads, distance, row }) {
    const one = space.hasRows ? "real latent" : "sample";
    if (Number.isNaN(distance)) return { level: "edge", words: "Nothing to compare with", measure: "" };
    if (gaps < SAME || distance === 0)
      return { level: "near", words: `A ${one}`, measure: `That of ${aetool.nameOf(space, row)} itself` };
    const beyond = ([gap, spread]) => !(gaps < gap) && !(spreads < spread);
    const level = beyond(FAR) ? "far" : beyond(EDGE) ? "edge" : "near";
    const words = { near: `Among ${one}s`, edge: "At the edge of what is known", far: `Far from any ${one}: a guess` };
    const gap = Number.isFinite(gaps) ? `${short(gaps)} × the usual gap` : short(distance);
    const share = Number.isFinite(spreads) ? `, ${short(spreads)} spreads of the bank` : "";
    return { level, words: words[level], measure: `To the nearest: ${gap}${share}` };
  }

  // Show what is under the pointer; while one picture is decoded, only the latest of the next is kept.
  async function showPointed(pin) {
    latest = pin;
    if (decoding) return;
    decoding = true;
    while (latest) {
      const one = latest;
      latest = null;
      const image = aetool.rgba(await aetool.decode(one.latent));
      drawPointed(one, image);
    }
    decoding = false;
  }

  function drawPointed(pin, image) {
    const canvas = byId("seen"), far = aetool.farness(space, pin.latent), { level, words, measure } = trust(far);
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", `Decoded picture, ${pin.name}`);
    byId("seen-name").textContent = pin.label === null ? pin.name : `${pin.name} · ${pin.label}`;
    byId("seen-title").textContent = pin.title || mixtureWords(pin.mixture) || "";
    byId("trust").className = `trust ${level}`;
    byId("trust-words").textContent = words;
    byId("trust-measure").textContent = measure;
    byId("trust-bar").style.setProperty("--share", String(Math.min(1, far.gaps / (2 * FAR[0])) || 0));
    byId("pin-it").disabled = false;
    byId("seen-command").value = aetool.pinCommand(pin) || "";
    byId("copy-seen").disabled = !byId("seen-command").value;
    pointed = pin;
    aetool.tell("seen", pin);
  }

  // Return the largest shares of a mixture in words.
  function mixtureWords(mixture) {
    if (!mixture) return "";
    const order = [...mixture.rows.keys()].sort((a, b) => mixture.weights[b] - mixture.weights[a]).slice(0, 3);
    const parts = order
      .filter((i) => mixture.weights[i] >= 0.01)
      .map((i) => `${Math.round(100 * mixture.weights[i])} % ${aetool.nameOf(space, mixture.rows[i])}`);
    return parts.join(", ") + (parts.length < mixture.rows.length ? " …" : "");
  }

  function startPanels(given) {
    space = given;
    const { width, height } = aetool.data.model;
    Object.assign(byId("seen"), { width, height });
    byId("pin-it").addEventListener("click", () => pointed && aetool.addPin(pointed));
    byId("copy-seen").addEventListener("click", () => aetool.copy(byId("seen-command")));
    aetool.hear("pointed", showPointed);
    aetool.hear("pins", drawPins);
    aetool.hear("shown", drawLegend);
    startLegend();
    drawPins([]);
  }

  // Legend: a button a class, which leaves the class out or back in; with Alt or twice, that class alone.
  function startLegend() {
    const list = byId("legend"), { classes } = space, sizes = new Map();
    for (let row = 0; row < space.count; row++) sizes.set(space.labels[row], (sizes.get(space.labels[row]) || 0) + 1);
    byId("classes").hidden = !classes.length && !space.files.length;
    byId("class-search").hidden = classes.length < MANY;
    list.classList.toggle("short", classes.every((name) => name.length <= SHORT));
    byId("class-search").addEventListener("input", (event) => searchLegend(event.target.value));
    byId("class-all").addEventListener("click", () => aetool.show(space, { hidden: new Set() }));
    byId("class-none").addEventListener("click", () =>
      aetool.show(space, { hidden: new Set([-1, ...classes.keys()]) }),
    );
    classes.forEach((name, label) => {
      const swatch = el("span", { class: "swatch", style: `--colour: ${aetool.cssColour(label, classes.length)}` });
      const size = el("span", { class: "size" }, (sizes.get(label) || 0).toLocaleString("en"));
      const listeners = { onclick: (event) => toggle(label, event.altKey), ondblclick: () => toggle(label, true) };
      const title = "Show or hide this class; with Alt, or twice, this class alone";
      const button = el(
        "button",
        { type: "button", "aria-pressed": "true", "data-label": label, title, ...listeners },
        swatch,
        el("span", { class: "name" }, name),
        size,
      );
      list.append(el("li", {}, button));
    });
    if (space.files.length) list.append(el("li", {}, legendOfFiles()));
  }

  function legendOfFiles() {
    const swatch = el("span", { class: "swatch", style: "--colour: var(--text)" });
    const size = el("span", { class: "size" }, space.files.length.toLocaleString("en"));
    const properties = {
      type: "button",
      "aria-pressed": "true",
      "data-label": aetool.FILES,
      onclick: () => toggle(aetool.FILES, false),
    };
    return el("button", properties, swatch, el("span", { class: "name" }, aetool.data.layers[0].name), size);
  }

  function toggle(label, alone) {
    const hidden = new Set(aetool.shown.hidden);
    if (alone)
      for (const other of [-1, ...space.classes.keys()]) other === label ? hidden.delete(other) : hidden.add(other);
    else if (!hidden.delete(label)) hidden.add(label);
    aetool.show(space, { hidden });
  }

  function searchLegend(text) {
    for (const item of byId("legend").children)
      item.hidden = !item.textContent.toLowerCase().includes(text.toLowerCase());
  }

  function drawLegend({ hidden, chosen }) {
    for (const button of byId("legend").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(!hidden.has(Number(button.dataset.label))));
    }
    let seen = 0;
    for (let row = 0; row < space.count; row++) if (aetool.isLight(space, row)) seen++;
    const of = `${counted(seen, "latent")} of ${space.count.toLocaleString("en")} in colour`;
    byId("shown-count").textContent = of;
    aetool.say(chosen ? `${counted(chosen.size, "latent")} in the lasso` : of);
  }

  // The row of pins, each with its picture, what it is, and a button that takes it away.
  async function drawPins(pins) {
    const list = byId("pins");
    const decoded = await aetool.decodeAll(pins.map((pin) => pin.latent));
    if (pins !== aetool.pins() && pins.length) return;
    list.replaceChildren(...pins.map((pin, i) => pinElement(pin, i, aetool.rgba(decoded[i]))));
    byId("pins-hint").hidden = pins.length > 0;
    for (const id of ["clear-pins", "save-pins"]) byId(id).hidden = !pins.length;
  }

  function pinElement(pin, number, image) {
    const text = `Pin ${number + 1}: ${pin.name}${pin.label === null ? "" : `, class ${pin.label}`}`;
    const mark = () => aetool.lay({ marked: pin.place });
    const unmark = () => aetool.lay({ marked: null });
    const show = el(
      "button",
      {
        type: "button",
        class: "pin",
        title: text,
        "aria-label": text,
        onclick: () => showPointed(pin),
        onmouseenter: mark,
        onmouseleave: unmark,
        onfocus: mark,
        onblur: unmark,
      },
      pictureOf(image, text),
      el("span", { class: "number" }, String(number + 1)),
    );
    const remove = el(
      "button",
      {
        type: "button",
        class: "remove",
        "aria-label": `Remove pin ${number + 1}`,
        title: "Remove",
        onclick: () => {
          unmark();
          aetool.removePin(number);
        },
      },
      "×",
    );
    return el("li", {}, show, remove);
  }

  Object.assign(aetool, { startPanels, pictureOf, trust, showPointed });
})(globalThis.aetool);
