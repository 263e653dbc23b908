// What preparePicture (preparation.js) needs of JPEG: what the bytes of a file say, and decoding at a smaller scale.
//
//   jpegHeader(bytes) -> {orientation, sampling: [across, down]} of a JPEG, {} of any other file
"use strict";

function jpegHeader(bytes) {
  const found = {};
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return found;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { // fill bytes and markers alone
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const end = at + 2 + view.getUint16(at + 2), body = at + 4;
    if (marker === 0xda || marker === 0xd9 || end > bytes.length) break; // the pixels begin
    if (marker === 0xe1 && !found.orientation) found.orientation = exifOrientation(view, body, end);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const first = bytes[body + 7], second = bytes[body + 5] > 1 ? bytes[body + 10] : first; // 4 bits across, 4 down
      found.sampling = [(first >> 4) / (second >> 4), (first & 15) / (second & 15)];
    }
    at = end;
  }
  return found.sampling ? found : {};
}

// Return the orientation in the EXIF data of a segment, undefined where there is none.
function exifOrientation(view, body, end) {
  const start = body + 6; // behind "Exif\0\0"
  if (start + 8 > end || view.getUint32(body) !== 0x45786966) return undefined;
  const little = view.getUint16(start) === 0x4949, entries = start + view.getUint32(start + 4, little);
  if (entries + 2 > end) return undefined;
  for (let i = 0; i < view.getUint16(entries, little); i++) {
    const at = entries + 2 + 12 * i;
    if (at + 12 > end) break;
    if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little);
  }
  return undefined;
}

// Return an image as libjpeg decodes it at a scale: means over blocks, the part of colour over blocks of its own.
function smallerJpeg({ planes, width, height }, scale, [h, v], filtered) {
  const [w, n] = [Math.ceil(width / scale), Math.ceil(width / scale) * Math.ceil(height / scale)];
  const part = (across, down) =>
    planes
      .map((plane) => filtered(plane, height, across, 1, width, Float64Array))
      .map((plane) => filtered(plane, w, down, w, 1, Float64Array));
  const all = part(means(width, scale, 1, 1), means(height, scale, 1, 1));
  const colour = part(means(width, scale, h, v), means(height, scale, v, h));
  const found = planes.map(() => new Uint8ClampedArray(n));
  for (let i = 0; i < n; i++) {
    const more = colour.map((plane, c) => plane[i] - all[c][i]);
    const brighter = 0.299 * more[0] + 0.587 * more[1] + 0.114 * more[2]; // which is not colour's
    found.forEach((plane, c) => (plane[i] = Math.floor(all[c][i] + more[c] - brighter + 0.5)));
  }
  return { planes: found, width: w, height: n / w };
}

// Return the coefficients of means over blocks, with a sample of colour for `ratio` pixels here, for `other` across.
// Decoders spread samples over their neighbours (3/4, 1/4), which the edges of a block undo. Colour that is sampled in
// one direction alone has blocks of twice the width there, spread again.
function means(inputs, scale, ratio, other) {
  const block = ratio === 2 && other === 1 ? 2 * scale : scale, count = Math.ceil(inputs / block);
  return Array.from({ length: Math.ceil(inputs / scale) }, (_, i) => {
    const mine = Math.floor((i * scale) / block), next = Math.min(count - 1, Math.max(0, mine + (i % 2 ? 1 : -1)));
    const first = Math.max(0, Math.min(mine, next) * block - 1);
    const weights = new Array(Math.min(inputs, first + 2 * block + 2) - first).fill(0);
    const add = (number, share) => {
      const from = number * block, to = Math.min(inputs, from + block), each = share / (to - from);
      for (let x = from; x < to; x++) weights[x - first] += each;
      for (const [inside, outside] of ratio === 2 ? [[from, from - 1], [to - 1, to]] : []) {
        if (outside < 0 || outside >= inputs) continue;
        weights[inside - first] += each / 2;
        weights[outside - first] -= each / 2;
      }
    };
    const spread = block > scale && scale < 8 ? 0.25 : 0;
    add(mine, 1 - spread);
    if (spread) add(next, spread);
    return { first, weights };
  });
}

if (typeof module !== "undefined") module.exports = { jpegHeader, smallerJpeg };
