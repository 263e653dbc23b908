// The coefficients of a JPEG of 8 bits, in grey or three colours, with Huffman codes: sequential or progressive.
//
//   readFrame(bytes, width, height) -> {parts, h, v, width, height, isRgb}
//
// parts  by colour {h, v, levels, table, stride}: blocks of a unit across and down; the coefficients of all blocks,
//        64 each, in rows of `stride` blocks; what to multiply each of the 64 by
// h, v   the most blocks of a unit, of all parts
// isRgb  whether the parts are red, green and blue; else three are YCbCr, by JFIF
//
// All else throws: other files, damaged ones, and sides other than `width` and `height`, which bound the memory. They
// bound the time too, as no bit of a coefficient is read twice, and scans are few. ITU-T T.81 explains the numbers.
"use strict";

const alongDiagonal = (i) => 8 * ((i >> 3) + (i % 8)) + (((i >> 3) + i) % 2 ? i >> 3 : i % 8);
const ZIGZAG = Array.from({ length: 64 }, (_, i) => i).sort((a, b) => alongDiagonal(a) - alongDiagonal(b)); // places
const ALONE = [0x00, 0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xff]; // have no segment behind them
const SMOOTHED = 10; // first coefficients; libjpeg smoothes a picture whose scans leave out bits of them
const MOST_BITS = 11; // of a number in a file of 8 bits a level
const MOST_SCANS = 64; // encoders write about ten

function expect(condition) {
  if (!condition) throw new RangeError("not a JPEG that is read here");
}

// Return the frame of a file with the coefficients of its parts: brightness, blue and red.
function readFrame(bytes, width, height) {
  const tables = { quanta: [], codes: [], restart: 0 }, word = (at) => 256 * bytes[at] + bytes[at + 1];
  const begins = (at, name) => String.fromCharCode(...bytes.subarray(at, at + name.length)) === name;
  let frame, scans = 0, isJfif = false, adobe;
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
      expect(++scans <= MOST_SCANS);
      at = decodeScan(new Bits(bytes, end), frame, scanOf(bytes, body, frame, tables), tables.restart);
      if (!frame.isProgressive && frame.parts.every(({ lowest }) => lowest[0] === 0)) break;
    }
  }
  expect(frame.parts.every(({ lowest }) => lowest.subarray(0, SMOOTHED).every((bit) => bit === 0)));
  const ids = String.fromCharCode(...frame.parts.map(({ id }) => id));
  return { ...frame, isRgb: !isJfif && (adobe === undefined ? ids === "RGB" : adobe === 0) };
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
  expect(bytes[body] >= 1 && bytes[body] <= 3);
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
    expect(n <= MOST_BITS);
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
    part.last += bits.signed(bits.symbol(dc));
    levels[at] = part.last << low;
    k = 1;
  }
  if (scan.run > 0) return void scan.run--;
  for (; k <= to; k++) {
    const symbol = bits.symbol(ac), zeros = symbol >> 4, size = symbol & 15;
    if (size === 0 && zeros < 15) {
      expect(zeros === 0 || scan.from > 0); // of progressive files alone
      return void (scan.run = (1 << zeros) - 1 + bits.take(zeros));
    }
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

if (typeof module !== "undefined") module.exports = { readFrame };
