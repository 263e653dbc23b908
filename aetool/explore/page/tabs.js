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
        onchange: (event) => setting.press(event.target.files[0]),
      });
      return el("label", { class: "file" }, el("span", {}, setting.label), field);
    }
    const { kind, value, min, max, step: by } = setting,
      read = (event) => change(kind === "text" ? event.target.value : Number(event.target.value));
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
    byId("note").textContent = found.note || "";
    byId("extra").replaceChildren(...(found.extra ? [found.extra(images)] : []));
    const tiles = byId("tiles");
    const all = found.items.map((item, i) => tile(item, images[i])),
      size = all.length / (found.grids || 1);
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

  // Return a picture that shows its place on the map, and is pinned by a click.
  function tile(item, image) {
    const far = aetool.trust(aetool.farness(space, item.latent)),
      text = [item.name, item.label && `class ${item.label}`].filter(Boolean).join(", ");
    const mark = () => aetool.lay({ marked: aetool.placeOf(space, item.latent) }),
      unmark = () => aetool.lay({ marked: null });
    const pin = () =>
      aetool.addPin(item.row === undefined ? aetool.pinOfLatent(space, item) : aetool.pinOfRow(space, item.row));
    const title = `${text}\n${far.words}: ${far.measure}\nClick to pin`;
    const properties = {
      type: "button",
      class: `tile ${far.level}`,
      title,
      "aria-label": `${text}. ${far.words}. Pin it`,
      onclick: pin,
      onmouseenter: mark,
      onmouseleave: unmark,
      onfocus: mark,
      onblur: unmark,
    };
    return el(
      "button",
      properties,
      aetool.pictureOf(image, text),
      item.caption ? el("span", { class: "caption" }, item.caption) : null,
    );
  }

  Object.assign(aetool, { startTabs, openView: (id) => open(viewCalled(id)), refreshView: refresh });
})(globalThis.aetool);
