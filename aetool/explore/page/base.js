// The namespace of the page, the data that it carries, and elements.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  // Return the bytes of a blob of the page: base64 of gzip in a script element "blob-NAME"; null where there is none.
  async function blob(name) {
    const element = document.getElementById(`blob-${name}`);
    if (!element) return null;
    const text = element.textContent.trim();
    const packed = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    element.remove(); // its text is long, and not needed again
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return joined(new Uint8Array(await new Response(stream).arrayBuffer()), Number(element.dataset.planes || 1));
  }

  // Return bytes that lie in planes, the first of every few, then the second ones, in their order; the rest as it is.
  function joined(bytes, planes) {
    const n = Math.floor(bytes.length / planes), out = new Uint8Array(bytes.length);
    for (let p = 0; p < planes; p++) for (let i = 0; i < n; i++) out[i * planes + p] = bytes[p * n + i];
    out.set(bytes.subarray(n * planes), n * planes);
    return out;
  }

  // Return a new element. Properties that start with "on" are listeners, "class" and others attributes; children are
  // elements or texts, and a text stays a text.
  function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const byId = (id) => document.getElementById(id);

  // Say a sentence in a live region, which screen readers read out.
  function say(text) {
    const region = byId("said");
    if (region.textContent !== text) region.textContent = text;
  }

  // Return a number in few digits, as 0.0044, 1.3 or 12,345.
  function short(number) {
    if (number === null || !Number.isFinite(number)) return "–";
    if (Number.isInteger(number)) return number.toLocaleString("en");
    return Math.abs(number) >= 100 ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(2)));
  }

  // Return a counted noun: "1 picture", "2,000 pictures".
  const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  const listeners = {};

  // Call `listener` whenever `name` is told.
  function hear(name, listener) {
    (listeners[name] = listeners[name] || []).push(listener);
  }

  function tell(name, value) {
    for (const listener of listeners[name] || []) listener(value);
  }

  Object.assign(aetool, { blob, el, byId, say, short, counted, hear, tell });
})(globalThis.aetool);
