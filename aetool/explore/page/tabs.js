// Tabs below the map: one view at a time, with its settings, its pictures, its command and its files.
"use strict";

(function (aetool) {
  const { el, byId } = aetool;
  let space, current, made = null, round = 0, again = 0;

  function startTabs(given) {
    space = given;
    const list = byId("tabs");
    for (const view of aetool.views) {
      const choose = () => open(view);
      list.append(
        el(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${view.id}`,
            "aria-controls": "view",
            onclick: choose,
            onkeydown: step,
          },
          view.title,
        ),
      );
    }
    for (const name of ["pins", "picture"]) aetool.hear(name, () => current.follows.includes(name) && refresh());
    aetool.hear("shown", ({ chosen }) =>
      chosen ? open(viewCalled("selection")) : current.follows.includes("shown") && refresh(),
    );
    byId("copy").addEventListener("click", () => aetool.copy(byId("command")));
    byId("save-png").addEventListener("click", () => made && aetool.savePictures(made.file, made.saved, made.columns));
    byId("save-jsonl").addEventListener("click", () => made && aetool.saveLatents(made.file, made.saved));
    open(aetool.views[0]);
  }

  const viewCalled = (id) => aetool.views.find((view) => view.id === id);

  // Move to the next tab with the arrow keys.
  function step(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key], tabs = [...byId("tabs").children];
    if (!move) return;
    const next = (tabs.indexOf(event.target) + move + tabs.length) % tabs.length;
    tabs[next].focus();
    open(aetool.views[next]);
  }

  function open(view) {
    current = view;
    for (const tab of byId("tabs").children) {
      const on = tab.id === `tab-${view.id}`;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    byId("view").setAttribute("aria-labelledby", `tab-${view.id}`);
    byId("settings").replaceChildren(...view.settings(space).map(control));
    refresh();
  }

  // Return a labelled control of a setting: {id, label, kind, value, ...}; values are kept in the setting.
  function control(setting) {
    const change = (value) => {
      setting.value = value;
      clearTimeout(again);
      again = setTimeout(refresh, 120);
    };
    if (setting.kind === "button")
      return el(
        "button",
        {
          type: "button",
          onclick: () => {
            setting.press();
            refresh();
          },
        },
        setting.label,
      );
    if (setting.kind === "choice") {
      const options = setting.options.map(([value, text]) =>
        el("option", { value, selected: value === setting.value }, text),
      );
      return el(
        "label",
        {},
        el("span", {}, setting.label),
        el("select", { onchange: (event) => change(event.target.value) }, ...options),
      );
    }
    if (setting.kind === "check") {
      const box = el("input", {
        type: "checkbox",
        checked: setting.value,
        onchange: (event) => change(event.target.checked),
      });
      return el("label", { class: "check" }, box, el("span", {}, setting.label));
    }
    if (setting.kind === "file") {
      const field = el("input", {
        type: "file",
        accept: "image/*",
        onchange: (event) => setting.press(event.target.files),
      });
      return el("label", { class: "file" }, el("span", {}, setting.label), field);
    }
    const { kind, value, min, max, step: by } = setting;
    const read = (event) => change(kind === "text" ? event.target.value : Number(event.target.value));
    return el(
      "label",
      {},
      el("span", {}, setting.label),
      el("input", { type: kind, value, min, max, step: by, oninput: read }),
    );
  }

  // Make the view again: {items, saved, columns, command, note, extra, file}; `saved` are the items of files.
  async function refresh() {
    const mine = ++round;
    byId("view").setAttribute("aria-busy", "true");
    let found;
    try {
      found = await current.make(space);
    } catch (error) {
      found = { items: [], note: error.message };
    }
    if (mine !== round) return;
    const images = await aetool.decodeAll(found.items.map((item) => item.latent));
    if (mine !== round) return;
    draw(
      { columns: Math.max(1, (found.saved || found.items).length), file: current.id, saved: found.items, ...found },
      images.map(aetool.rgba),
    );
    byId("view").setAttribute("aria-busy", "false");
  }

  function draw(found, images) {
    made = found.items.length ? found : null;
    const trusted = found.items.map((item) => aetool.trust(aetool.farness(space, item.latent)));
    byId("note").textContent = [found.note, framed(trusted)].filter(Boolean).join(" ");
    byId("extra").replaceChildren(...(found.extra ? [found.extra(images)] : []));
    const tiles = byId("tiles");
    const all = found.items.map((item, i) => tile(item, images[i], trusted[i])), size = all.length / (found.grids || 1);
    const grid = (_, i) =>
      el("div", { class: "grid", style: `--columns: ${found.columns}` }, ...all.slice(i * size, (i + 1) * size));
    tiles.replaceChildren(...(found.grids ? Array.from({ length: found.grids }, grid) : all));
    tiles.hidden = !made || Boolean(found.instead); // shown another way
    byId("make").hidden = !found.command;
    byId("command").value = found.command || "";
    for (const id of ["save-png", "save-jsonl"]) byId(id).disabled = !made;
    aetool.lay({ path: found.path ? found.items.map((item) => aetool.placeOf(space, item.latent)) : [], marked: null });
    byId("count").textContent = made ? aetool.counted(found.items.length, "picture") : "";
  }

  // Return a sentence about the pictures that are far from real latents, and have a frame.
  function framed(trusted) {
    const far = trusted.filter(({ level }) => level === "far").length;
    const edge = trusted.filter(({ level }) => level === "edge").length;
    if (far) return `${aetool.counted(far, "picture")} in red: far from any real latent, a guess.`;
    return edge ? `${aetool.counted(edge, "picture")} in amber: at the edge of what is known.` : null;
  }

  // Return a picture that is shown large and on the map when it is pointed at, and pinned by a click.
  function tile(item, image, { level, words, measure }) {
    const text = [item.name, item.label && `class ${item.label}`].filter(Boolean).join(", ");
    const pin = () => (item.row === undefined ? aetool.pinOfLatent(space, item) : aetool.pinOfRow(space, item.row));
    const mark = () => {
      const one = pin();
      aetool.lay({ marked: one.place });
      aetool.showPointed(one);
    };
    const unmark = () => aetool.lay({ marked: null });
    const properties = {
      type: "button",
      class: `tile ${level}`,
      title: `${text}\n${words}. ${measure}\nClick to pin`,
      "aria-label": `${text}. ${words}. Pin it`,
      onclick: () => aetool.addPin(pin()),
      onmouseenter: mark,
      onmouseleave: unmark,
      onfocus: mark,
      onblur: unmark,
    };
    const caption = item.caption ? el("span", { class: "caption" }, item.caption) : null;
    return el("button", properties, aetool.pictureOf(image, text), caption);
  }

  Object.assign(aetool, { startTabs, openView: (id) => open(viewCalled(id)), refreshView: refresh });
})(globalThis.aetool);
