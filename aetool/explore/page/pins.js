// Pins: latents that the reader keeps, each with a place on the map, a name, and its key in a command if it has one.
"use strict";

(function (aetool) {
  const MOST = 12;
  let pins = [];

  // Return the pin of a row of the page.
  function pinOfRow(space, row) {
    const label = aetool.classOf(space, row), name = aetool.nameOf(space, row), file = row >= space.count;
    const place = [space.positions[2 * row], space.positions[2 * row + 1]];
    const title = space.sources && !file ? space.sources[row] : null;
    return {
      latent: aetool.latentOf(space, row),
      place,
      name,
      label,
      title,
      row,
      key: file ? aetool.fileKey(name) : space.hasRows ? name : aetool.latentKey(aetool.latentOf(space, row)),
    };
  }

  // Return the pin of a place on the map: a mixture of the rows around, or the place itself where latents are places.
  function pinOfPlace(space, x, y) {
    if (space.flat) {
      const latent = Float32Array.from([x, y].slice(0, space.k));
      const name = `(${[...latent].map((value) => value.toFixed(2)).join(", ")})`;
      return { latent, place: [x, space.k > 1 ? y : 0], name, label: null, key: aetool.latentKey(latent) };
    }
    const mixture = aetool.mixtureAt(space, x, y);
    return mixture.rows.length === 1 ? pinOfRow(space, mixture.rows[0]) : pinOfMixture(space, mixture, [x, y]);
  }

  // Return the pin of a mixture of rows.
  function pinOfMixture(space, mixture, place) {
    const latent = aetool.weighted(space.latents, space.k, mixture);
    const labels = mixture.rows.map((row) => space.labels[row]);
    const same = labels.every((label) => label === labels[0]) && labels[0] >= 0 ? space.classes[labels[0]] : null;
    const key = space.hasRows ? aetool.mixtureKey(mixture) : aetool.latentKey(latent);
    return { latent, place, name: `between ${aetool.counted(mixture.rows.length, "row")}`, label: same, mixture, key };
  }

  // Return the pin of the mean of a class, null for all.
  function pinOfMean(space, label) {
    const { k, means, classes } = space;
    const at = label === null ? classes.length : label;
    const latent = means.slice(at * k, (at + 1) * k);
    const name = label === null ? "mean" : `class:${classes[label]}`;
    return pinOfLatent(space, {
      latent,
      name,
      label: label === null ? null : classes[label],
      ...(label === null ? {} : { key: name }),
    });
  }

  // Return the pin of a latent that lies nowhere on the map yet.
  const pinOfLatent = (space, item) => ({
    key: aetool.latentKey(item.latent),
    ...item,
    place: aetool.placeOf(space, item.latent),
  });

  function changed(sentence) {
    aetool.tell("pins", pins);
    aetool.lay({});
    aetool.say(sentence);
  }

  function addPin(pin) {
    if (pins.length >= MOST) return aetool.say(`There are ${MOST} pins already; remove one first`);
    pins = [...pins, pin];
    return changed(`Pin ${pins.length}: ${pin.name}${pin.label ? `, class ${pin.label}` : ""}`);
  }

  function movePin(number, pin) {
    pins = pins.map((old, i) => (i === number ? pin : old));
    changed(`Pin ${number + 1} moved`);
  }

  function removePin(number) {
    if (!pins[number]) return;
    pins = pins.filter((_, i) => i !== number);
    changed(`Pin ${number + 1} removed; ${aetool.counted(pins.length, "pin")} left`);
  }

  function clearPins() {
    pins = [];
    changed("No pins");
  }

  // Return the keys of all pins in a command, and what must be saved first: pins without a key are read from a file.
  function keysOfPins(chosen = pins) {
    const own = chosen.every((pin) => pin.key !== null);
    return own
      ? { keys: chosen.map((pin) => pin.key), note: null }
      : { keys: ["pins.jsonl"], note: "Save the pins first: pins.jsonl" };
  }

  Object.assign(aetool, {
    pinOfRow, pinOfPlace, pinOfMixture, pinOfMean, pinOfLatent, addPin, movePin, removePin, clearPins, keysOfPins,
    pins: () => pins,
  });
})(globalThis.aetool);
