"use strict";
// The random numbers of a seed as torch draws them on a CPU, so that a seed shows here what `zerosum sample --seed` shows.

/** The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998) of one seed, and torch's draws from it. */
class Stream {
  constructor(seed) {
    this.words = new Uint32Array(624);
    this.words[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < 624; i++) {
      const before = this.words[i - 1];
      this.words[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
    this.place = 624;
    this.spare = null; // the second value of a pair of normal ones
  }

  /** 32 random bits. */
  word() {
    if (this.place === 624) {
      for (let i = 0; i < 624; i++) {
        const joined = (this.words[i] & 0x80000000) | (this.words[(i + 1) % 624] & 0x7fffffff);
        this.words[i] = this.words[(i + 397) % 624] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
      }
      this.place = 0;
    }
    let word = this.words[this.place++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  /** A value in [0, 1) of 24 bits, as torch makes float32. */
  share() {
    return (this.word() & 0xffffff) / 2 ** 24;
  }

  /** A value in [0, 1) of 53 bits, as torch makes float64. */
  fineShare() {
    const high = this.word() & 0x1fffff;
    return (high * 2 ** 32 + this.word()) / 2 ** 53;
  }

  /** `n` values uniform in [-1, 1). */
  uniform(n) {
    return Float32Array.from({ length: n }, () => this.share() * 2 - 1);
  }

  /** `n` standard normal values by pairs (Box & Muller 1958); torch pairs few values and many in different ways. */
  normal(n) {
    if (n < 16) return Float32Array.from({ length: n }, () => this.oneNormal());
    const values = Float32Array.from({ length: n }, () => this.share());
    for (let start = 0; start + 16 <= n; start += 16) pairUp(values, start);
    if (n % 16) {
      for (let i = n - 16; i < n; i++) values[i] = this.share();
      pairUp(values, n - 16);
    }
    return values;
  }

  oneNormal() {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    const angle = 2 * Math.PI * this.fineShare();
    const radius = Math.sqrt(-2 * Math.log1p(-this.fineShare()));
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** Turn 16 uniform values into normal ones: each of the first 8 with the one 8 places on. */
function pairUp(values, start) {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}

/** Everything that is random in the sample of a seed: a row of numbers for each list of draws, in their order. */
function drawn(seed, ...lists) {
  const stream = new Stream(seed);
  return lists.map((draws) => joined(draws.map(([kind, shape]) => stream[kind](size(shape)))));
}

/** What lies between two rows of draws: along a circle where they are normal, straight where they are uniform. */
function blended(start, end, share, draws) {
  const row = new Float32Array(start.length);
  const [cos, sin] = [Math.cos((share * Math.PI) / 2), Math.sin((share * Math.PI) / 2)];
  let place = 0;
  for (const [kind, shape] of draws) {
    const [a, b] = kind === "normal" ? [cos, sin] : [1 - share, share];
    for (const last = place + size(shape); place < last; place++) row[place] = a * start[place] + b * end[place];
  }
  return row;
}

function size(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

/** Arrays one after the other. */
function joined(arrays) {
  const whole = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let place = 0;
  for (const array of arrays) {
    whole.set(array, place);
    place += array.length;
  }
  return whole;
}
