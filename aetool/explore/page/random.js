// NumPy's random numbers: SeedSequence, PCG64, bounded integers and the ziggurat's normal numbers, as
// numpy.random.default_rng draws them. The ziggurat's tables are computed, so normal numbers may differ by rounding.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  const [INIT_A, MULT_A, INIT_B, MULT_B] = [0x43b0d7e5, 0x931e8875, 0x8b51f9dd, 0x58f38ded]; // of SeedSequence
  const [MIX_L, MIX_R, POOL] = [0xca01f9dd, 0x4973f715, 4];
  const PCG = 0x2360ed051fc65da44385df649fccf645n;
  const TAIL = 3.6541528853610088, AREA = 0.004928673233974655;

  // Return a function that stirs 32-bit words with a constant that changes at each call.
  function stirrer(constant, factor) {
    return (value) => {
      value ^= constant;
      constant = Math.imul(constant, factor);
      value = Math.imul(value, constant);
      return (value ^ (value >>> 16)) >>> 0;
    };
  }

  function mixed(a, b) {
    const value = Math.imul(MIX_L, a) - Math.imul(MIX_R, b);
    return (value ^ (value >>> 16)) >>> 0;
  }

  // Return the 32-bit words of numbers from 0 to 2^53, low words first.
  function words(numbers) {
    return numbers.flatMap((number) => {
      const high = Math.floor(number / 2 ** 32);
      return high ? [number >>> 0, high] : [number >>> 0];
    });
  }

  // Return the first `count` 64-bit words of SeedSequence(numbers).
  function seedWords(numbers, count) {
    const entropy = words(numbers), stir = stirrer(INIT_A, MULT_A);
    const pool = Array.from({ length: POOL }, (_, i) => stir(entropy[i] || 0));
    for (let from = 0; from < POOL; from++) {
      for (let to = 0; to < POOL; to++) if (from !== to) pool[to] = mixed(pool[to], stir(pool[from]));
    }
    for (const word of entropy.slice(POOL)) {
      for (let to = 0; to < POOL; to++) pool[to] = mixed(pool[to], stir(word));
    }
    const stirLast = stirrer(INIT_B, MULT_B);
    const halves = Array.from({ length: 2 * count }, (_, i) => BigInt(stirLast(pool[i % POOL])));
    return Array.from({ length: count }, (_, i) => halves[2 * i] | (halves[2 * i + 1] << 32n));
  }

  // Return the tables of the ziggurat of 256 layers for numbers of `bits` bits.
  function ziggurat(bits, round) {
    const unit = 2 ** bits, density = (x) => Math.exp(-0.5 * x * x);
    const [edges, widths, heights] = [0, 1, 2].map(() => new Float64Array(256));
    let x = TAIL;
    edges[0] = Math.floor(((TAIL * density(TAIL)) / AREA) * unit);
    widths[0] = round(AREA / density(TAIL) / unit);
    for (let i = 255; i > 0; i--) {
      [widths[i], heights[i]] = [round(x / unit), round(density(x))];
      const next = i > 1 ? Math.sqrt(-2 * Math.log(AREA / x + density(x))) : 0;
      edges[i] = Math.floor((next / x) * unit);
      x = next;
    }
    heights[0] = 1;
    return { edges, widths, heights };
  }

  const DOUBLE = ziggurat(52, (x) => x), SINGLE = ziggurat(23, Math.fround);

  // The generator default_rng(numbers); numbers are a seed and its parts.
  class Generator {
    constructor(...numbers) {
      const [a, b, c, d] = seedWords(numbers, 4);
      this.step = BigInt.asUintN(128, (((c << 64n) | d) << 1n) | 1n);
      this.state = BigInt.asUintN(128, (this.step + ((a << 64n) | b)) * PCG + this.step);
      this.half = null;
    }

    // Return the next 64 bits.
    next64() {
      this.state = BigInt.asUintN(128, this.state * PCG + this.step);
      const high = this.state >> 64n, folded = BigInt.asUintN(64, high ^ this.state), turn = high >> 58n;
      return BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    }

    // Return the next 32 bits: each 64 give two numbers, the low half first.
    next32() {
      if (this.half !== null) {
        const kept = this.half;
        this.half = null;
        return kept;
      }
      const both = this.next64();
      this.half = Number(both >> 32n);
      return Number(both & 0xffffffffn);
    }

    // Return `count` integers from 0 to below `end`, at most 2^32 - 1: Lemire's method.
    integers(end, count) {
      const wide = BigInt(end), least = 2 ** 32 % end;
      return Array.from({ length: count }, () => {
        if (end === 1) return 0;
        let product;
        do product = BigInt(this.next32()) * wide;
        while (Number(product & 0xffffffffn) < least);
        return Number(product >> 32n);
      });
    }

    uniform() {
      return Number(this.next64() >> 11n) / 2 ** 53;
    }

    uniform32() {
      return (this.next32() >>> 8) / 2 ** 24;
    }

    // Return `count` normal numbers in double precision.
    normals(count) {
      return Float64Array.from({ length: count }, () => this.normal());
    }

    // Return `count` normal numbers in single precision.
    normals32(count) {
      return Float32Array.from({ length: count }, () => this.normal32());
    }

    normal() {
      for (;;) {
        const bits = this.next64(), layer = Number(bits & 255n), size = Number((bits >> 9n) & 0xfffffffffffffn);
        const [sign, outer] = [bits & 256n ? -1 : 1, Boolean((size / 256) & 1)];
        const found = this.inLayer(DOUBLE, layer, size, sign, outer, () => this.uniform());
        if (found !== null) return found;
      }
    }

    normal32() {
      for (;;) {
        const bits = this.next32(), layer = bits & 255, size = bits >>> 9;
        const [sign, outer] = [bits & 256 ? -1 : 1, Boolean((size >>> 8) & 1)];
        const found = this.inLayer(SINGLE, layer, size, sign, outer, () => this.uniform32());
        if (found !== null) return found;
      }
    }

    // Return the number of a layer, null where it is refused; `outer` is the sign in the tail.
    inLayer({ edges, widths, heights }, layer, size, sign, outer, uniform) {
      const x = sign * size * widths[layer];
      if (size < edges[layer]) return x;
      if (layer > 0) {
        const height = (heights[layer - 1] - heights[layer]) * uniform() + heights[layer];
        return height < Math.exp(-0.5 * x * x) ? x : null;
      }
      for (;;) {
        const [over, under] = [-Math.log1p(-uniform()) / TAIL, -Math.log1p(-uniform())];
        if (2 * under > over * over) return outer ? -(TAIL + over) : TAIL + over;
      }
    }
  }

  // Return the CRC-32 of a text in UTF-8, as zlib.crc32 computes it.
  function crc32(text) {
    let value = 0xffffffff;
    for (const byte of new TextEncoder().encode(text)) {
      value ^= byte;
      for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    return (value ^ 0xffffffff) >>> 0;
  }

  Object.assign(aetool, { Generator, crc32 });
})(globalThis.aetool);
