/** The self-checking thread: its programs for both runtimes, and the sequential model that says what it must answer. */
const FNV = 16_777_619;
const TABLE_WORDS = 256;
const AREA_WORDS = 1 << 20;
const AREA_WORDS_A_LINE = 64;
const AREA_STRIDE = 1_021;

export type LedgerRuntime = 'wasm' | 'task';

/** What one run without interruption answers, line by line. */
export class LedgerModel {
  private count = 0;
  private hash = 2_166_136_261;
  private readonly table = Uint32Array.from({ length: TABLE_WORDS }, (_, i) => Math.imul(i, 2_654_435_761));
  /** Only the WASM program has so much memory. */
  private readonly area: Uint32Array | undefined;

  constructor(runtime: LedgerRuntime) {
    this.area = runtime === 'wasm' ? new Uint32Array(AREA_WORDS) : undefined;
  }

  /** The rotation keeps a word that was made of the hash from cancelling it. */
  private mix(word: number): void {
    this.hash = Math.imul(((this.hash << 5) | (this.hash >>> 27)) ^ word, FNV) >>> 0;
  }

  /** The answer to the next line, which comes without its line end. */
  take(line: string): string {
    this.count++;
    for (const byte of Buffer.from(line)) this.mix(byte);
    for (let i = 0; i < TABLE_WORDS; i++) {
      this.table[i] = Math.imul(this.table[i]! ^ this.hash, FNV) + this.count;
      this.mix(this.table[i]!);
    }
    if (this.area) {
      for (let i = 0; i < AREA_WORDS_A_LINE; i++) {
        const at = (Math.imul(this.count * AREA_WORDS_A_LINE + i, AREA_STRIDE) >>> 0) % AREA_WORDS;
        this.area[at] = Math.imul(this.area[at]!, 31) + this.hash;
        this.mix(this.area[at]!);
      }
    }
    return `${this.count} ${this.hash.toString(16).padStart(8, '0')}`;
  }
}

/** The same as a task; written by itself, so that a mistake of the model does not repeat itself here. */
export const LEDGER_TASK = `import { defineThread, jsonCodec } from '@godwit/sdk';
const text = new TextDecoder();
const bytes = new TextEncoder();
const mix = (hash, word) => Math.imul((hash * 32 | hash >>> 27) ^ word, ${FNV}) >>> 0;
export default defineThread({
  name: 'ledger', version: '1', deterministic: true, codec: jsonCodec(),
  initial: () => ({ count: 0, hash: 2166136261, table: Array.from({ length: ${TABLE_WORDS} }, (_, i) => Math.imul(i, 2654435761) >>> 0) }),
  onMessage(ctx, message, state) {
    state.count += 1;
    for (const byte of text.decode(message.payload).trimEnd()) state.hash = mix(state.hash, byte.charCodeAt(0));
    for (let i = 0; i < state.table.length; i++) {
      state.table[i] = (Math.imul(state.table[i] ^ state.hash, ${FNV}) + state.count) >>> 0;
      state.hash = mix(state.hash, state.table[i]);
    }
    ctx.emit('said', bytes.encode(state.count + ' ' + state.hash.toString(16).padStart(8, '0') + '\\n'));
    return state;
  },
});
`;
