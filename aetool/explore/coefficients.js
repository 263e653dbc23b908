// Decoding of a JPEG at a smaller scale, from the coefficients in its bytes: the levels of libjpeg-turbo, to the bit.
//
//   scaledJpeg(bytes, scale, width, height) -> {planes: [red, green, blue], width, height} at 1/2, 1/4 or 1/8
//
// `width` and `height` are the sides of the picture as stored; those of the result are rounded up. The result is null
// for what is not read here: other sides, other than 8 bits, grey or three colours, and Huffman codes, and damaged files.
// Memory is bounded by the sides; time too, as no coefficient is visited more often than it has bits.
"use strict";

const alongDiagonal = (i) => 8 * ((i >> 3) + (i % 8)) + (((i >> 3) + i) % 2 ? i >> 3 : i % 8);
const ZIGZAG = Array.from({ length: 64 }, (_, i) => i).sort((a, b) => alongDiagonal(a) - alongDiagonal(b)); // places
const ALONE = [0x00, 0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xff]; // have no segment behind them
const SMOOTHED = 10; // first coefficients; libjpeg smoothes a picture whose scans leave out bits of them
const COSINES = [ // of libjpeg's full inverse transform, the left half, in 1/8192: sums of rounded numbers
  [8192, 8192, 8192, 8192], [11363, 9633, 6437, 2260], [10703, 4433, -4433, -10703], [9633, -2259, -11362, -6436],
  [8192, -8192, -8192, 8192], [6437, -11362, 2261, 9633], [4433, -10704, 10704, -4433], [2260, -6436, 9633, -11363],
];

function scaledJpeg(bytes, scale, width, height) {
  try {
    const frame = readFrame(bytes, width, height);
    const size = { width: Math.ceil(width / scale), height: Math.ceil(height / scale) };
    const planes = frame.parts.map((part) => upsampled(frame, part, 8 / scale, size));
    return { planes: planes.length === 1 ? [planes[0], planes[0], planes[0]] : coloured(frame, planes), ...size };
  } catch {
    return null; // whatever is wrong, the pixels of a browser remain
  }
}

function expect(condition) {
  if (!condition) throw new RangeError("not a JPEG that is read here");
}

// Return the frame of a file with the coefficients of its parts: brightness, blue and red.
function readFrame(bytes, width, height) {
  const tables = { quanta: [], codes: [], restart: 0 }, word = (at) => 256 * bytes[at] + bytes[at + 1];
  const begins = (at, name) => String.fromCharCode(...bytes.subarray(at, at + name.length)) === name;
  let frame, isJfif = false, adobe;
  for (let at = 2; at < bytes.length; ) {
    const marker = bytes[at + 1], body = at + 4;
    if (bytes[at++] !== 0xff || ALONE.includes(marker)) continue;
    if (marker === 0xd9) break;
    const end = (at += 1 + word(at + 1));
    expect(end <= bytes.length);
    if (marker === 0xdb) readQuanta(bytes, body, end, tables);
    else if (marker === 0xc4) readCodes(bytes, body, end, tables);
    else if (marker === 0xdd) tables.restart = word(body);
    else if (marker === 0xe0) isJfif ||= begins(body, "JFIF\0");
    else if (marker === 0xee) adobe = begins(body, "Adobe") ? bytes[body + 11] : adobe;
    else if (marker >= 0xc0 && marker <= 0xcf) {
      expect(!frame && marker <= 0xc2 && bytes[body] === 8 && word(body + 1) === height && word(body + 3) === width);
      frame = newFrame(bytes, body + 5, width, height, marker === 0xc2);
    } else if (marker === 0xda) {
      at = decodeScan(new Bits(bytes, end), frame, scanOf(bytes, body, frame, tables), tables.restart);
      if (!frame.isProgressive && frame.parts.every(({ lowest }) => lowest[0] === 0)) break;
    }
  }
  expect(frame.parts.every(({ lowest }) => lowest.subarray(0, SMOOTHED).every((bit) => bit === 0)));
  frame.isRgb = !isJfif && (adobe === undefined ? frame.parts.every(({ id }, i) => id === "RGB".charCodeAt(i)) : !adobe);
  return frame;
}

function readQuanta(bytes, at, end, { quanta }) {
  while (at < end) {
    const wide = bytes[at] >> 4, table = (quanta[bytes[at++] & 15] = new Int32Array(64));
    for (const place of ZIGZAG) {
      table[place] = wide ? 256 * bytes[at] + bytes[at + 1] : bytes[at];
      at += wide ? 2 : 1;
    }
  }
}

function readCodes(bytes, at, end, { codes }) {
  while (at < end) {
    const counts = bytes.subarray(at + 1, at + 17), symbols = at + 17 + counts.reduce((a, b) => a + b, 0);
    codes[bytes[at]] = { counts, symbols: bytes.subarray(at + 17, symbols) };
    at = symbols;
  }
}

// Return what the next 16 bits of a file stand for: 256 x the length of the code + its symbol, 0 for no code.
function lookup(code) {
  if (!code || code.found) return code?.found;
  const found = (code.found = new Uint16Array(65536));
  let from = 0, number = 0;
  code.counts.forEach((count, i) => {
    for (const last = number + count; number < last; number++, from += 32768 >> i) {
      expect(from + (32768 >> i) <= 65536);
      found.fill(256 * (i + 1) + code.symbols[number], from, from + (32768 >> i));
    }
  });
  return found;
}

function newFrame(bytes, at, width, height, isProgressive) {
  expect(bytes[at] === 1 || bytes[at] === 3);
  const read = Array.from({ length: bytes[at] }, (_, i) => {
    const [id, sampling, quantum] = bytes.subarray(at + 1 + 3 * i);
    return { id, h: sampling >> 4, v: sampling & 15, quantum };
  });
  expect(read.every(({ h, v }) => h >= 1 && h <= 4 && v >= 1 && v <= 4));
  const h = Math.max(...read.map((part) => part.h)), v = Math.max(...read.map((part) => part.v));
  const across = Math.ceil(width / (8 * h)), down = Math.ceil(height / (8 * v)); // units with blocks of all parts
  const parts = read.map((part) => ({
    ...part,
    across: Math.ceil((width * part.h) / (8 * h)),
    down: Math.ceil((height * part.v) / (8 * v)),
    stride: across * part.h, // blocks that are kept of a row
    levels: new Int16Array(64 * across * part.h * down * part.v),
    lowest: new Int8Array(64).fill(-1), // the last bit that was read, by coefficient
  }));
  return { parts, h, v, across, down, width, height, isProgressive };
}

// Return the parts of a scan, with their tables, and which bits of which coefficients it has.
function scanOf(bytes, body, frame, tables) {
  const parts = Array.from({ length: bytes[body] }, (_, i) => {
    const [id, codes] = bytes.subarray(body + 1 + 2 * i), part = frame.parts.find((one) => one.id === id);
    part.table ||= tables.quanta[part.quantum];
    return Object.assign(part, { dc: lookup(tables.codes[codes >> 4]), ac: lookup(tables.codes[16 + (codes & 15)]) });
  });
  const [from, to, bits] = frame.isProgressive ? bytes.subarray(body + 1 + 2 * parts.length) : [0, 63, 0];
  const scan = { parts, from, to, before: bits >> 4, low: bits & 15, run: 0 };
  expect(to <= 63 && (!frame.isProgressive || (from ? from <= to && parts.length === 1 : to === 0)));
  expect(scan.low <= 13 && (scan.before === 0 || scan.before === scan.low + 1));
  for (const part of parts) {
    for (let k = from; k <= to; k++) {
      expect(part.lowest[k] === (scan.before || -1));
      part.lowest[k] = scan.low;
    }
  }
  return scan;
}

// Bits of a scan, zeros behind its last one.
class Bits {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at, held: 0, count: 0, missing: 0 });
  }

  fill() {
    for (; this.count <= 24; this.count += 8) {
      const byte = this.missing ? undefined : this.bytes[this.at];
      const isData = byte !== undefined && (byte < 0xff || this.bytes[this.at + 1] === 0);
      if (isData) this.at += byte < 0xff ? 1 : 2;
      else this.missing += 8;
      this.held = (this.held << 8) | (isData ? byte : 0);
    }
  }

  take(n) {
    if (this.count < n) this.fill();
    this.count -= n;
    return (this.held >> this.count) & ((1 << n) - 1);
  }

  signed(n) {
    const value = this.take(n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  symbol(found) {
    if (this.count < 16) this.fill();
    const entry = found[(this.held >> (this.count - 16)) & 0xffff];
    expect(entry);
    this.count -= entry >> 8;
    return entry & 255;
  }

  restart(number) {
    expect(this.bytes[this.at] === 0xff && this.bytes[this.at + 1] === 0xd0 + (number % 8));
    Object.assign(this, { at: this.at + 2, count: 0, missing: 0 });
  }
}

// Decode a scan, and return where its bytes end. A scan of one part has no blocks outside of the picture.
function decodeScan(bits, frame, scan, restart) {
  const isAlone = scan.parts.length === 1, decode = scan.before ? refine : decodeBlock;
  const { across, down } = isAlone ? scan.parts[0] : frame;
  for (let unit = 0; unit < across * down; unit++) {
    const x = unit % across, y = (unit - x) / across;
    if (unit === 0 || (restart && unit % restart === 0)) {
      if (unit) bits.restart(unit / restart - 1);
      scan.run = 0;
      for (const part of scan.parts) part.last = 0;
    }
    for (const part of scan.parts) {
      const h = isAlone ? 1 : part.h, v = isAlone ? 1 : part.v;
      for (let j = 0; j < v; j++)
        for (let i = 0; i < h; i++) decode(bits, part, 64 * ((y * v + j) * part.stride + x * h + i), scan);
    }
    expect(bits.count >= bits.missing);
  }
  return bits.at;
}

// Decode the first bits of coefficients of a block; `run` counts blocks to come that have none.
function decodeBlock(bits, part, at, scan) {
  const { levels, dc, ac } = part, { to, low } = scan;
  let k = scan.from;
  if (k === 0) {
    part.last += bits.signed(bits.symbol(dc) & 15);
    levels[at] = part.last << low;
    k = 1;
  }
  if (scan.run > 0) return void scan.run--;
  for (; k <= to; k++) {
    const symbol = bits.symbol(ac), zeros = symbol >> 4, size = symbol & 15;
    if (size === 0 && zeros < 15) return void (scan.run = (1 << zeros) - 1 + bits.take(zeros));
    k += zeros;
    if (size) levels[at + ZIGZAG[k]] = bits.signed(size) << low;
  }
  expect(k === to + 1);
}

// Decode another bit of coefficients of a block, and those that begin with it.
function refine(bits, { levels, ac }, at, scan) {
  const one = 1 << scan.low;
  let k = scan.from;
  if (k === 0) return void (levels[at] |= bits.take(1) << scan.low);
  const skip = (zeros) => { // go on to the zero behind so many, correcting what is none
    for (; k <= scan.to; k++) {
      const place = at + ZIGZAG[k], level = levels[place];
      if (level === 0 && zeros-- === 0) return;
      if (level !== 0 && bits.take(1)) levels[place] += level < 0 ? -one : one;
    }
  };
  for (; k <= scan.to && scan.run === 0; k++) {
    const symbol = bits.symbol(ac), zeros = symbol >> 4, size = symbol & 15;
    if (size === 0 && zeros < 15) {
      scan.run = (1 << zeros) + bits.take(zeros);
      break;
    }
    const level = size && (bits.take(1) ? one : -one);
    skip(zeros);
    expect(k <= scan.to);
    levels[at + ZIGZAG[k]] = level;
  }
  if (scan.run > 0) {
    skip(64);
    scan.run--;
  }
}

// Return a part with the sides of the result. Parts with fewer samples have larger blocks if that is enough.
function upsampled(frame, part, least, { width, height }) {
  let size = least;
  const fits = (most, own) => (most * least) % (own * size * 2) === 0;
  while (size < 8 && fits(frame.h, part.h) && fits(frame.v, part.v)) size *= 2;
  const across = (frame.h * least) / (part.h * size), down = (frame.v * least) / (part.v * size); // of one sample
  const w = Math.ceil((frame.width * part.h * size) / (8 * frame.h)), stride = part.stride * size;
  const h = Math.ceil((frame.height * part.v * size) / (8 * frame.v)), plane = transformed(part, size, stride);
  const [isWide, isHigh] = [least > 1 && across === 2 && down === 1 && w > 2, least > 1 && across === 1 && down === 2];
  expect(Number.isInteger(across) && Number.isInteger(down) && (least === 1 || across * down < 4));
  const found = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor(y / down), other = Math.min(h - 1, Math.max(0, row + (y % 2 ? 1 : -1)));
    for (let x = 0; x < width; x++, to++) {
      const column = Math.floor(x / across), at = row * stride + column; // a quarter of the result is a neighbour's
      if (isWide) {
        const next = Math.min(w - 1, Math.max(0, column + (x % 2 ? 1 : -1)));
        found[to] = (3 * plane[at] + plane[row * stride + next] + 1 + (x % 2)) >> 2;
      } else found[to] = isHigh ? (3 * plane[at] + plane[other * stride + column] + 1) >> 2 : plane[at];
    }
  }
  return found;
}

// Return the levels of a part, `size` x `size` a block, by a transform of columns and one of rows.
function transformed({ levels, table, stride }, size, width) {
  const basis = basisOf(size), used = [0, 1, 2, 3, 4, 5, 6, 7].filter((k) => basis[k * size] !== 0);
  const plane = new Uint8ClampedArray((levels.length / 64) * size * size), columns = new Int32Array(8 * size);
  const shift = 11 + Math.log2(8 / size), half = 1 << (shift - 1); // two bits remain for the rows
  for (let block = 0; block < levels.length / 64; block++) {
    columns.fill(half);
    for (const x of used) {
      for (const k of used) {
        const place = 8 * k + x, level = levels[64 * block + place] * table[place];
        if (level !== 0) for (let n = 0; n < size; n++) columns[8 * n + x] += level * basis[k * size + n];
      }
    }
    const top = Math.floor(block / stride) * size * width + (block % stride) * size;
    for (let n = 0; n < size; n++) {
      for (let m = 0; m < size; m++) {
        let sum = half << 7;
        for (const x of used) sum += (columns[8 * n + x] >> shift) * basis[x * size + m];
        plane[top + n * width + m] = (sum >> (shift + 7)) + 128;
      }
    }
  }
  return plane;
}

// Return cosines in 1/8192: what coefficients add to each of `size` sums of neighbours, by coefficient.
function basisOf(size) {
  const cosine = (k, i) => 8192 * (k ? Math.SQRT2 : 1) * Math.cos(((2 * i + 1) * k * Math.PI) / 16);
  const mirrored = (k, i) => (i < 4 ? COSINES[k][i] : COSINES[k][7 - i] * (k % 2 ? -1 : 1));
  const sum = (k, n) => Array.from({ length: 8 / size }, (_, i) => cosine(k, (n * 8) / size + i)).reduce((a, b) => a + b);
  return Int32Array.from({ length: 8 * size }, (_, at) => {
    const k = Math.floor(at / size), n = at % size;
    return size === 8 ? mirrored(k, n) : Math.round(sum(k, n));
  });
}

// Return red, green and blue by JFIF, in 16 bits.
function coloured({ isRgb }, [light, blue, red]) {
  if (isRgb) return [light, blue, red];
  const found = [light, light, light].map(({ length }) => new Uint8ClampedArray(length));
  light.forEach((level, i) => {
    const b = blue[i] - 128, r = red[i] - 128;
    found[0][i] = level + ((91881 * r + 32768) >> 16);
    found[1][i] = level + ((-22554 * b - 46802 * r + 32768) >> 16);
    found[2][i] = level + ((116130 * b + 32768) >> 16);
  });
  return found;
}

if (typeof module !== "undefined") module.exports = { scaledJpeg };
