// The views: paths between pins, new pictures of a class, noise, axes and sums of pins, and the lasso. A view has
// `settings(space)` and `make(space) -> {items, command, note, ...}`; it is made again when what it `follows` changes.
"use strict";

(function (aetool) {
  const { counted } = aetool;
  const MANY = 60; // pictures of a lasso that are shown

  const setting = (id, label, kind, value, more = {}) => ({ id, label, kind, value, ...more });
  const number = (id, label, value, min, max, step = 1) => setting(id, label, "number", value, { min, max, step });
  const bounded = ({ value, min, max }) => Math.max(min, Math.min(max, Number.isFinite(value) ? value : min));
  const whole = (one) => Math.round(bounded(one));
  const nothing = (note) => ({ items: [], note });
  const notes = (...texts) => texts.filter(Boolean).join(" ");

  // Return the first of all pins, or a sentence that asks for one.
  function firstPin() {
    const [pin] = aetool.pins();
    if (!pin) throw new Error("Pin a latent: click on the map, or press Enter there.");
    return pin;
  }

  // Return the rows of a class, null for all.
  function rowsOf(space, label) {
    const all = Array.from({ length: space.count }, (_, row) => row);
    return label === null ? all : all.filter((row) => space.labels[row] === label);
  }

  // Return a picture of a row of the map.
  const itemOf = (space, row) => ({
    latent: aetool.latentOf(space, row),
    name: aetool.nameOf(space, row),
    label: aetool.classOf(space, row),
    row,
  });

  const path = {
    id: "path",
    title: "Path",
    follows: ["pins"],
    way: setting("way", "By", "choice", "lerp", {
      options: [
        ["lerp", "line"],
        ["slerp", "slerp"],
        ["graph", "graph"],
      ],
    }),
    steps: number("steps", "Steps", 10, 2, 60),
    even: setting("even", "Even", "check", false),
    settings(space) {
      if (!space.graph) this.way.options = this.way.options.filter(([name]) => name !== "graph");
      return [this.way, this.steps, this.even];
    },
    async make(space) {
      const pins = aetool.pins(), steps = whole(this.steps);
      if (pins.length < 2) return nothing("Pin two or more latents to walk from one to the next.");
      const changes = this.even.value ? aetool.changes : null;
      const { latents, uneven } = await aetool.walk(
        space,
        pins.map((pin) => pin.latent),
        this.way.value,
        steps,
        changes,
      );
      const { keys, note } = aetool.keysOfPins();
      const way = this.way.value === "lerp" ? [] : ["--method", this.way.value];
      const words = [...keys, "--steps", String(steps), ...way, ...(changes ? ["--even"] : []), "-o", "path.png"];
      const jumps =
        uneven > aetool.EVEN
          ? `Steps differ from their mean by up to ${Math.round(100 * uneven)} %: the pictures jump.`
          : "";
      const items = latents.map((latent, i) => ({
        latent,
        name: String(i + 1).padStart(2, "0"),
        caption: i % (steps - 1) ? null : String(i / (steps - 1) + 1),
      }));
      return { items, command: aetool.commandLine("interpolate", words), note: notes(note, jumps), path: true };
    },
  };

  const sample = {
    id: "sample", title: "Sample", follows: [],
    label: setting("label", "Class", "choice", ""),
    count: number("count", "Pictures", 16, 1, 256),
    seed: number("seed", "Seed", 0, 0, 2 ** 32 - 1),
    settings(space) {
      this.label.options = [["", "all"], ...space.classes.map((name, i) => [String(i), name])];
      const press = () => {
        this.seed.value = (whole(this.seed) + 1) % 2 ** 32;
        aetool.openView("sample");
      };
      const next = setting("next", "Next seed", "button", null, { press });
      return [...(space.classes.length ? [this.label] : []), this.count, this.seed, next];
    },
    make(space) {
      const label = this.label.value === "" ? null : Number(this.label.value);
      const [count, seed] = [whole(this.count), whole(this.seed)];
      const { name, options } = aetool.data.sampler, known = label === null ? [] : ["--class", space.classes[label]];
      const method = name === "local" ? [] : ["--method", name], title = label === null ? "new" : space.classes[label];
      const words = [...known, "-n", String(count), "--seed", String(seed), ...method, "-o", "sample.png"];
      const command = aetool.commandLine("sample", words), rows = rowsOf(space, label);
      if (!rows.length) return nothing("There is no latent of this class to draw from.");
      if (name !== "local" || !space.hasRows) return this.fromMap(space, rows, count, seed, command);
      const latents = aetool.sampled(space, label, count, seed, options);
      const items = latents.map((latent, i) => ({
        latent,
        name: `${title}-${String(i + 1).padStart(4, "0")}`,
        label: label === null ? null : title,
      }));
      return { items, command, note: "The latents of the command with the same seed." };
    },
    // Without a bank the page draws from the samples of its map.
    fromMap(space, rows, count, seed, command) {
      const items = new aetool.Generator(seed).integers(rows.length, count).map((i) => rows[i]);
      const note = "This page has no bank: these are samples of the map, chosen by the seed. The command draws others.";
      return { items: items.map((row) => itemOf(space, row)), command, note };
    },
  };

  const noise = {
    id: "noise", title: "Noise", follows: ["pins"],
    sigma: number("sigma", "Sigma", 0.5, 0, 3, 0.05),
    count: number("count", "Pictures a pin", 8, 1, 64),
    seed: number("seed", "Seed", 0, 0, 2 ** 32 - 1),
    settings() {
      return [this.sigma, this.count, this.seed];
    },
    make(space) {
      firstPin();
      const pins = aetool.pins(), [sigma, count, seed] = [bounded(this.sigma), whole(this.count), whole(this.seed)];
      const items = pins.flatMap((pin, place) =>
        aetool
          .perturbed(space, pin.latent, sigma, count, seed, place)
          .map((latent, i) => ({ latent, name: `${place + 1}-${i + 1}`, label: pin.label })),
      );
      const { keys, note } = aetool.keysOfPins();
      const words = [...keys, "--sigma", String(sigma), "-n", String(count), "--seed", String(seed), "-o", "noise.png"];
      return {
        items,
        columns: count,
        grids: 1,
        command: aetool.commandLine("perturb", words),
        note: notes(note, "Noise of the bank's own shape; sigma 1 is its whole spread."),
      };
    },
  };

  const axes = {
    id: "axes", title: "Axes", follows: ["pins"],
    pair: setting("pair", "Axes", "choice", "0,1", {
      options: [["0,1", "1 × 2"], ["2,3", "3 × 4"], ["4,5", "5 × 6"]],
    }),
    reach: number("reach", "Deviations", 2, 0.25, 6, 0.25),
    around: number("around", "Rows around", 50, 5, 200, 5),
    settings() {
      return [this.pair, this.reach, this.around];
    },
    make(space) {
      firstPin();
      const pins = aetool.pins();
      const pair = this.pair.value.split(",").map(Number);
      const across = 5;
      const grids = pins
        .slice(0, 3)
        .map((pin) => aetool.localGrid(space, pin.latent, pair, across, bounded(this.reach), whole(this.around)));
      const items = grids.flatMap(({ latents }, g) =>
        latents.map((latent, i) => ({
          latent,
          name: `pin ${g + 1}, ${(i % across) - 2} across, ${Math.floor(i / across) - 2} down`,
        })),
      );
      const [first, second] = pair.map((axis) => axis + 1), near = whole(this.around);
      const note =
        `From left to right along local axis ${first}, down along axis ${second}: the widest directions among the ` +
        `${near} nearest latents. Save the latents first: axes.jsonl.`;
      return {
        items,
        columns: across,
        grids: grids.length,
        command: aetool.commandLine("decode", ["axes.jsonl", "--columns", String(across), "-o", "axes.png"]),
        note,
      };
    },
  };

  const combine = {
    id: "combine", title: "Combine", follows: ["pins"],
    weights: setting("weights", "Weights", "text", "1,-1,1"),
    settings() {
      return [this.weights];
    },
    make() {
      firstPin();
      const given = this.weights.value.split(",").map((text) => (text.trim() ? Number(text) : NaN));
      const pins = aetool.pins().slice(0, given.length);
      if (!given.every(Number.isFinite)) return nothing("Weights are numbers with commas between them, as 1,-1,1.");
      if (pins.length < given.length)
        return nothing(
          `There are ${counted(given.length, "weight")} and ${counted(pins.length, "pin")}; ` +
            `pin ${given.length - pins.length} more.`,
        );
      const latent = aetool.combined(
          pins.map((pin) => pin.latent),
          given,
        ),
        sum = given.reduce((a, b) => a + b, 0);
      const { keys, note } = aetool.keysOfPins(pins);
      const words = [...keys, "--weights", given.join(","), "-o", "combined.png"];
      const shown = pins.map((pin, i) => ({
        latent: pin.latent,
        name: pin.name,
        label: pin.label,
        caption: `${given[i]} ×`,
      }));
      const odd =
        Math.abs(sum - 1) > 1e-9
          ? `The weights sum to ${aetool.short(sum)}; with sum 1 the result does not depend on where zero is.`
          : "";
      const total = { latent, name: "combined", caption: "=" };
      return {
        items: [...shown, total],
        saved: [total],
        command: aetool.commandLine("combine", words),
        note: notes(note, odd),
      };
    },
  };

  const selection = {
    id: "selection", title: "Lasso", follows: ["shown"],
    settings(space) {
      const clear = setting("clear", "Clear", "button", null, { press: () => aetool.show(space, { chosen: null }) });
      return [setting("draw", "Draw a lasso", "button", null, { press: aetool.toggleLasso }), clear];
    },
    make(space) {
      const { chosen } = aetool.shown;
      if (!chosen) return nothing("Draw around latents: press L or hold Shift, and drag on the map.");
      const counts = new Map();
      for (const row of chosen) counts.set(space.labels[row], (counts.get(space.labels[row]) || 0) + 1);
      const saved = [...chosen].map((row) => itemOf(space, row)), columns = Math.ceil(Math.sqrt(saved.length));
      const some = saved.length > MANY ? `, ${MANY} of them shown` : "";
      const command = aetool.commandLine("decode", [
        "selection.jsonl",
        "--columns",
        String(columns),
        "-o",
        "selection.png",
      ]);
      const note = `${counted(saved.length, "latent")}${some}. Save the latents first: selection.jsonl.`;
      return {
        items: saved.slice(0, MANY),
        saved,
        command,
        columns,
        note,
        extra: () => bars(space, counts, saved.length),
      };
    },
  };

  // Return bars of the counts of classes.
  function bars(space, counts, all) {
    const { el } = aetool, sorted = [...counts].sort((a, b) => b[1] - a[1]);
    const longest = Math.max(2, ...sorted.map(([label]) => (label < 0 ? 8 : space.classes[label].length)));
    return el(
      "ul",
      { class: "bars", style: `--names: ${Math.min(12, longest)}ch` },
      ...sorted.map(([label, count]) => {
        const colour = `--colour: ${aetool.cssColour(label, space.classes.length)}; --share: ${count / all}`;
        const name = label < 0 ? "no class" : space.classes[label];
        return el(
          "li",
          { style: colour },
          el("span", { class: "name" }, name),
          el("span", { class: "bar" }),
          el("span", { class: "size" }, `${count.toLocaleString("en")} · ${Math.round((100 * count) / all)} %`),
        );
      }),
    );
  }

  Object.assign(aetool, { views: [path, sample, noise, axes, combine, selection] });
})(globalThis.aetool);
