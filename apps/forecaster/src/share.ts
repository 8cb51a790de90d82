/** Which part of all devices and threads this instance forecasts: `i/n`, i from 0. */
export interface Share {
  readonly index: number;
  readonly of: number;
}
export const WHOLE: Share = { index: 0, of: 1 };

/** Undefined when the text is no share, such as `3/3`. */
export function parseShare(text: string): Share | undefined {
  const [, index, of] = (/^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? []).map(Number);
  return index !== undefined && of !== undefined && index < of ? { index, of } : undefined;
}

/** FNV-1a over the id: the same in every instance, and even over few ids. */
export function isInShare(share: Share, id: string): boolean {
  if (share.of === 1) return true;
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193) >>> 0;
  return hash % share.of === share.index;
}
