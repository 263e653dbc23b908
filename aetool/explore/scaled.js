// Decoding of a JPEG at a smaller scale from its bytes: the levels of libjpeg-turbo and so of Pillow, to the bit.
//
//   scaledJpeg(bytes, scale, width, height) -> {planes: [red, green, blue], width, height} at 1/2, 1/4 or 1/8
//
// `width` and `height` are the sides of the picture as stored; those of the result are rounded up. The result is null
// where coefficients.js reads no file, as of CMYK or with damage.
"use strict";

const frameOf = typeof module === "undefined" ? readFrame : require("./coefficients.js").readFrame;
const COSINES = [ // of the transform to 8 x 8, the left half, in 1/8192: sums of rounded numbers
  [8192, 8192, 8192, 8192], [11363, 9633, 6437, 2260], [10703, 4433, -4433, -10703], [9633, -2259, -11362, -6436],
  [8192, -8192, -8192, 8192], [6437, -11362, 2261, 9633], [4433, -10704, 10704, -4433], [2260, -6436, 9633, -11363],
];

function scaledJpeg(bytes, scale, width, height) {
  try {
    const frame = frameOf(bytes, width, height);
    const size = { width: Math.ceil(width / scale), height: Math.ceil(height / scale) };
    const planes = frame.parts.map((part) => upsampled(frame, part, 8 / scale, size));
    return { planes: planes.length === 1 ? [planes[0], planes[0], planes[0]] : coloured(frame, planes), ...size };
  } catch {
    return null; // whatever is wrong, the pixels of a browser remain
  }
}

// Return a part with the sides of the result: with larger blocks where a part has fewer samples, else spread as libjpeg
// does, with a quarter from the neighbour where each sample stands for two in one direction.
function upsampled(frame, part, least, { width, height }) {
  let size = least;
  const fits = (most, own) => (most * least) % (own * size * 2) === 0;
  while (size < 8 && fits(frame.h, part.h) && fits(frame.v, part.v)) size *= 2;
  const across = (frame.h * least) / (part.h * size), down = (frame.v * least) / (part.v * size);
  const columns = Math.ceil((frame.width * part.h * size) / (8 * frame.h)), stride = part.stride * size;
  const rows = Math.ceil((frame.height * part.v * size) / (8 * frame.v)), plane = transformed(part, size, stride);
  if (across % 1 || down % 1 || (least > 1 && across === 2 && down === 2)) throw new RangeError("sampled too seldom");
  const isWide = least > 1 && across === 2 && down === 1 && columns > 2;
  const isHigh = least > 1 && across === 1 && down === 2;
  const neighbour = (i, at, count) => Math.min(count - 1, Math.max(0, at + (i % 2 ? 1 : -1)));
  const found = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor(y / down), far = isHigh ? neighbour(y, row, rows) : row;
    for (let x = 0; x < width; x++, to++) {
      const column = Math.floor(x / across), next = isWide ? neighbour(x, column, columns) : column;
      const odd = isWide ? x % 2 : y % 2;
      found[to] = (3 * plane[row * stride + column] + plane[far * stride + next] + 1 + odd) >> 2;
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
  return Int32Array.from({ length: 8 * size }, (_, at) => {
    const k = Math.floor(at / size), n = at % size;
    const summed = Array.from({ length: 8 / size }, (_, i) => cosine(k, (n * 8) / size + i));
    return size === 8 ? mirrored(k, n) : Math.round(summed.reduce((a, b) => a + b));
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
