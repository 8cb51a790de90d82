/** The builds of models/handover.pml: the protocol as it is, and with one rule taken away each. */

/** How far one build goes: inputs, epochs, lost messages, crashes. */
export interface Size {
  readonly inputs: number;
  readonly epochs: number;
  readonly losses: number;
  readonly crashes: number;
}
export interface Build {
  readonly name: string;
  readonly about: string;
  /** What `-D` defines. */
  readonly defines: readonly string[];
  readonly size: Size;
}
export interface Variant extends Build {
  /** Part of the assertion that must break. */
  readonly breaks: string;
}

const size = (inputs: number, epochs: number, losses: number, crashes: number): Size => ({ inputs, epochs, losses, crashes });

/** All of these must hold in every state. */
export const BASES: readonly Build[] = [
  { name: 'base', about: 'a thread that is deterministic', defines: [], size: size(2, 3, 1, 1) },
  { name: 'base-nondet', about: 'one that is not', defines: ['NONDET'], size: size(2, 2, 1, 1) },
];
/** The same, small enough for `npm test`. */
export const SMALL_BASES: readonly Build[] = [
  { name: 'small', about: 'a thread that is deterministic', defines: [], size: size(1, 3, 0, 0) },
  { name: 'small-nondet', about: 'one that is not', defines: ['NONDET'], size: size(1, 2, 1, 1) },
];

const PURGED = 'cur[h]>=purged';
const STORED_AGAIN = 'inf_n[h]>out_n';
const MISSING = 'inf_n[h]<=(out_n+1)';
const DAMAGED = '!(bad[h])';
const REPEATED = 'out_n<=ck_c';

/** Each must fail; sizes are the smallest in which it does. */
export const VARIANTS: readonly Variant[] = [
  { name: 'NOFENCE', about: 'the broker takes appends of an owner that is one no more', defines: ['NOFENCE'], size: size(2, 2, 0, 0), breaks: PURGED },
  { name: 'NOUNIQ', about: 'the broker stores a second record under a number that is there', defines: ['NOUNIQ'], size: size(1, 2, 1, 0), breaks: STORED_AGAIN },
  { name: 'NOSYNC', about: 'the broker acknowledges before its disk has it', defines: ['NOSYNC'], size: size(1, 2, 0, 0), breaks: 'out_n>=shown' },
  { name: 'TWOREC', about: 'the outcome follows the owner record in a second append', defines: ['TWOREC'], size: size(1, 3, 0, 0), breaks: 'outcome==co[c]' },
  { name: 'NODIGEST', about: 'a copy is committed without a look at its digest', defines: ['NODIGEST'], size: size(1, 2, 0, 0), breaks: DAMAGED },
  { name: 'COPYTWICE', about: 'the key of a transfer opens again', defines: ['COPYTWICE'], size: size(1, 2, 0, 1), breaks: DAMAGED },
  { name: 'REUSE', about: 'a device begins an epoch a second time', defines: ['REUSE'], size: size(1, 2, 0, 1), breaks: PURGED },
  { name: 'THAWSAME', about: 'a frozen source goes on in its old epoch', defines: ['THAWSAME'], size: size(1, 3, 0, 0), breaks: PURGED },
  { name: 'THAWANY', about: 'a frozen source goes on although another executed between', defines: ['THAWANY'], size: size(1, 3, 0, 0), breaks: PURGED },
  { name: 'PURGEHIGH', about: 'inputs are purged above the checkpoint’s cursor', defines: ['PURGEHIGH'], size: size(1, 2, 0, 1), breaks: PURGED },
  { name: 'NOPENDING', about: 'a snapshot does not carry outputs that the journal may not have', defines: ['NOPENDING'], size: size(2, 2, 0, 0), breaks: MISSING },
  { name: 'EARLYOUT', about: 'not deterministic: outputs go out before a checkpoint covers them', defines: ['NONDET', 'EARLYOUT'], size: size(1, 2, 0, 0), breaks: REPEATED },
  { name: 'STAGEDISSAFE', about: 'not deterministic: a staged copy counts as a durable checkpoint', defines: ['NONDET', 'STAGEDISSAFE'], size: size(1, 3, 0, 0), breaks: REPEATED },
];
