// Preparation in JavaScript: the RGBA pixels of a picture to the pixels of an image of a model, with the results of
// aetool/images/decode.py. No dependency but jpeg.js and scaled.js; a classic script in a browser behind them, CommonJS
// in node.
//
//   preparePicture(picture, spec) -> Uint8Array (c, h, w), levels from 0 to 255
//
// picture  data, width, height: RGBA, a byte a level, alpha not multiplied in; from the first frame of a file
//          orientation: of EXIF, 1 to 8 (default 1)     upright: whether the data are turned by it already
//          sampling: of a JPEG alone, pixels by sample of colour across and down, [2, 2] for 4:2:0
//          jpegHeader of jpeg.js gives orientation and sampling.
//          bytes: of the file, of a JPEG alone; without them a large one is averaged
// spec     channels (1 or 3), height, width, background: "image" of bundle.json; version: that of its "preparation"
//
// The levels are Pillow's, to the bit, where the data are the levels that Pillow decodes. A JPEG that Pillow decodes at
// a smaller scale is decoded here from its bytes in the same way, whatever the data are. One that scaled.js cannot read
// (CMYK, arithmetic codes, damage) is averaged, within a level of Pillow's but for what a decoder clips to 0..255: two
// files with the same pixels can differ by 32 levels at a smaller scale. Of levels of averaged photos 0.2 % differ by
// two or three (at 200 pixels up to five), of photos without clipped light or colour 0.03 % differ by two.
// A browser decodes with createImageBitmap(file, {colorSpaceConversion: "none", premultiplyAlpha: "none"}), which turns
// upright; a 2D canvas rounds colours behind alpha.
"use strict";

const averaged = typeof module === "undefined" ? smallerJpeg : require("./jpeg.js").smallerJpeg;
const decoded = typeof module === "undefined" ? scaledJpeg : require("./scaled.js").scaledJpeg;
const PRECISION = 2 ** 22; // coefficients of the filter are multiples of 1 / PRECISION
const SUPPORT = 3; // of Lanczos
const TURNED = 5; // from this orientation on, width and height are exchanged
const FROM_RIGHT = [2, 3, 6, 7]; // orientations whose first upright column is the last that is stored
const FROM_BELOW = [3, 4, 7, 8]; // the same of rows
const BACK = [0, 1, 2, 3, 4, 5, 8, 7, 6]; // what undoes each turn

function preparePicture(picture, spec) {
  if (spec.channels !== 1 && spec.channels !== 3) throw new RangeError("images of 1 or 3 channels expected");
  if (picture.data.length !== 4 * picture.width * picture.height) throw new RangeError("data must be RGBA");
  const turn = picture.orientation in BACK && picture.orientation > 0 ? picture.orientation : 1;
  const scale = decodingScale(picture, picture.upright ? 1 : turn, spec);
  let image = scale > 1 ? smaller(picture, turn, scale, spec) : flattened(picture, spec.background);
  const isStored = scale > 1 || !picture.upright, exchanged = turn >= TURNED && !picture.upright;
  let [width, height] = exchanged ? [picture.height, picture.width] : [picture.width, picture.height];
  let [left, top] = [0, 0]; // of the picture among its pixels: the last of a JPEG may be parts of pixels
  if (scale > 1) {
    [width, height] = [width / scale, height / scale];
    left = FROM_RIGHT.includes(turn) ? Math.ceil(width) - width : 0;
    top = FROM_BELOW.includes(turn) ? Math.ceil(height) - height : 0;
  }
  if (spec.channels === 1) image = { ...image, planes: [grey(image.planes)] };
  if (isStored) image = turned(image, turn);
  const box = centred(left, top, width, height, spec);
  const across = coefficients(image.width, box[0], box[2], spec.width);
  const down = coefficients(image.height, box[1], box[3], spec.height);
  const planes = image.planes
    .map((plane) => filtered(plane, image.height, across, 1, image.width))
    .map((plane) => filtered(plane, spec.width, down, spec.width, 1));
  return Uint8Array.from(planes.flatMap((plane) => [...plane]));
}

// Return the scale at which a JPEG is decoded: 8, 4 or 2 for the smallest with twice the sides of an image, else 1.
function decodingScale({ width, height, sampling }, turn, spec) {
  const [w, h] = turn >= TURNED ? [height, width] : [width, height];
  if (!sampling || spec.version < 2 || w < 4 * spec.width || h < 4 * spec.height) return 1;
  return [8, 4, 2].find((scale) => Math.min(w / (2 * spec.width), h / (2 * spec.height)) >= scale);
}

// Return a JPEG as it is stored at a smaller scale.
function smaller(picture, turn, scale, spec) {
  const back = picture.upright ? BACK[turn] : 1;
  const [width, height] = back >= TURNED ? [picture.height, picture.width] : [picture.width, picture.height];
  const found = picture.bytes && decoded(picture.bytes, scale, width, height);
  return found || averaged(turned(flattened(picture, spec.background), back), scale, picture.sampling, filtered);
}

// Return the planes red, green and blue over a grey background, rounded as Pillow's alpha_composite does.
function flattened({ data, width, height }, background) {
  const planes = [0, 1, 2].map(() => new Uint8Array(width * height));
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3];
    for (let c = 0; c < 3; c++) {
      const sum = 128 * (data[4 * i + c] * alpha + background * (255 - alpha) + 128);
      planes[c][i] = alpha === 255 ? data[4 * i + c] : ((sum >> 8) + sum) >> 15;
    }
  }
  return { planes, width, height };
}

// Return the grey levels of ITU-R 601-2, in 16 bits.
function grey([red, green, blue]) {
  return red.map((level, i) => (level * 19595 + green[i] * 38470 + blue[i] * 7471 + 32768) >> 16);
}

// Return an image turned upright from an orientation.
function turned({ planes, width, height }, turn) {
  if (turn === 1) return { planes, width, height };
  const [w, h, x, y] = turn >= TURNED ? [height, width, width, 1] : [width, height, 1, width]; // steps in the old plane
  const column = (i) => (FROM_RIGHT.includes(turn) ? w - 1 - i : i) * x;
  const row = (i) => (FROM_BELOW.includes(turn) ? h - 1 - i : i) * y;
  const moved = (plane) => plane.map((_, i) => plane[column(i % w) + row(Math.floor(i / w))]);
  return { planes: planes.map(moved), width: w, height: h };
}

// Return the largest centred part with the sides of the spec: left, top, right, bottom.
function centred(left, top, width, height, spec) {
  const scale = Math.min(width / spec.width, height / spec.height);
  const x = Math.max(0, (width - scale * spec.width) / 2), y = Math.max(0, (height - scale * spec.height) / 2);
  return [left + x, top + y, left + width - x, top + height - y].map(Math.fround); // as Pillow takes a box
}

// Return for each of `size` outputs its first input and the coefficients; null where the outputs are the inputs.
function coefficients(inputs, from, to, size) {
  if (inputs === size && from === 0 && to === size) return null;
  const scale = Math.fround(to - from) / size, widened = Math.max(scale, 1), support = SUPPORT * widened;
  return Array.from({ length: size }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(inputs, Math.trunc(centre + support + 0.5));
    const parts = Array.from({ length: last - first }, (_, j) => lanczos((j + first - centre + 0.5) / widened));
    const whole = PRECISION / parts.reduce((a, b) => a + b, 0);
    return { first, weights: parts.map((part) => Math.trunc(part * whole + (part < 0 ? -0.5 : 0.5)) / PRECISION) };
  });
}

function lanczos(x) {
  const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
  return -SUPPORT <= x && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0;
}

// Return lines of levels or numbers, filtered, in the same layout; `step` goes along a line, `stride` to the next.
function filtered(values, lines, outputs, step, stride, Kind = Uint8ClampedArray) {
  if (outputs === null) return values;
  const size = outputs.length, result = new Kind(size * lines), half = Kind === Uint8ClampedArray ? 0.5 : 0;
  const [to, next] = step === 1 ? [1, size] : [step, 1]; // the other direction keeps its layout
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < size; i++) {
      const { first, weights } = outputs[i];
      let sum = half, at = line * stride + first * step;
      for (let j = 0; j < weights.length; j++, at += step) sum += values[at] * weights[j];
      result[line * next + i * to] = half ? Math.floor(sum) : sum;
    }
  }
  return result;
}

if (typeof module !== "undefined") module.exports = { preparePicture };
