// Random numbers that can be had again: the seed is printed, and TB_SEED sets it.
export const SEED = Number(process.env.TB_SEED ?? Math.floor(Math.random() * 2 ** 32));

// mulberry32: 32 bits of state, good enough to choose moments.
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
