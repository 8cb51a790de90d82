/**
 * The target's side of a copy. Bytes come in whatever pieces the network makes of them; raw blocks go straight to their
 * place. What is hashed is what then stands in the image, not what came. A record that does not fit ends the copy: the
 * image is then material of no use, and whoever holds it throws it away.
 */
import { refuse, type Refusal, type Sha256, type Sha256Of } from '@godwit/kernel';
import { applyWords, BLOCK_BYTES, bodyBytes, checkWords, DELTA_HEAD_BYTES, ImageDigest, MOST_WORDS_BYTES, readHead, recordEnd, stateDigest, type DeltaRecord, type HashInto } from '@godwit/snapshot';

export class ImageTarget {
  private readonly digest: ImageDigest;
  private image: Uint8Array = new Uint8Array(0);
  private readonly head = new Uint8Array(DELTA_HEAD_BYTES);
  private readonly headView = new DataView(this.head.buffer);
  private headFilled = 0;
  private readonly words = new Uint8Array(MOST_WORDS_BYTES);
  private record: DeltaRecord | undefined;
  private bodyFilled = 0;
  private hashed = 0;
  private nextBlock = 0;

  constructor(hash: HashInto) {
    this.digest = new ImageDigest(hash);
  }

  get imageBytes(): number {
    return this.image.length;
  }
  /** Between two records: only there may a delta end. */
  get atRest(): boolean {
    return this.record === undefined && this.headFilled === 0;
  }

  /** From now on the image is `image`: as the one before, with zeros behind it. */
  use(image: Uint8Array): void {
    this.image = image;
    this.digest.grow(image.length / BLOCK_BYTES);
  }

  /** A new delta begins: its block numbers begin anew. */
  begin(): void {
    this.nextBlock = 0;
  }

  /** Takes the next bytes of the delta. */
  take(bytes: Uint8Array): Refusal | undefined {
    let at = 0;
    while (at < bytes.length) {
      if (!this.record) {
        const taken = Math.min(DELTA_HEAD_BYTES - this.headFilled, bytes.length - at);
        this.head.set(bytes.subarray(at, at + taken), this.headFilled);
        this.headFilled += taken;
        at += taken;
        if (this.headFilled < DELTA_HEAD_BYTES) return undefined;
        const refused = this.open();
        if (refused) return refused;
        continue;
      }
      const taken = Math.min(bodyBytes(this.record) - this.bodyFilled, bytes.length - at);
      const refused = this.body(this.record, bytes.subarray(at, at + taken));
      if (refused) return refused;
      at += taken;
    }
    return undefined;
  }

  private open(): Refusal | undefined {
    const record = readHead(this.headView, 0, this.nextBlock, this.image.length / BLOCK_BYTES);
    if ('refused' in record) return record;
    this.headFilled = this.bodyFilled = this.hashed = 0;
    this.nextBlock = recordEnd(record);
    this.record = record;
    if (record.kind !== 'zero') return undefined;
    this.image.fill(0, record.block * BLOCK_BYTES, recordEnd(record) * BLOCK_BYTES);
    for (let block = record.block; block < recordEnd(record); block++) this.digest.zeroed(block);
    this.record = undefined;
    return undefined;
  }

  private body(record: DeltaRecord, bytes: Uint8Array): Refusal | undefined {
    const offset = record.block * BLOCK_BYTES;
    if (record.kind === 'raw') {
      this.image.set(bytes, offset + this.bodyFilled);
      this.bodyFilled += bytes.length;
      for (; (this.hashed + 1) * BLOCK_BYTES <= this.bodyFilled; this.hashed++) this.digest.filled(this.image, record.block + this.hashed);
    } else {
      this.words.set(bytes, this.bodyFilled);
      this.bodyFilled += bytes.length;
    }
    if (this.bodyFilled < bodyBytes(record)) return undefined;
    this.record = undefined;
    if (record.kind !== 'words') return undefined;
    const body = this.words.subarray(0, record.bytes);
    const wrong = checkWords(new DataView(body.buffer, 0, record.bytes));
    if (wrong) return wrong;
    applyWords(this.image, offset, body);
    this.digest.filled(this.image, record.block);
    return undefined;
  }

  /** The digest of the state that this image and `rest` are. Refused in the middle of a record. */
  stateDigest(rest: readonly Uint8Array[], sha256: Sha256Of): Sha256 | Refusal {
    if (!this.atRest) return refuse('snapshot-damaged', 'delta: it ends inside a record', 'delta');
    return stateDigest(this.digest.root(), rest, sha256);
  }
}
