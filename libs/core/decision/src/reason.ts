/** The one place where reasons are worded, so that they read alike wherever they appear. */
import type { DurationMs } from '@godwit/kernel';
import type { Board, DeviceState } from './board.js';
import { pathBetween } from './move-estimate.js';
import type { MoveRequest } from './request.js';

/** Two decimals are what a person can use; small figures keep two digits. */
const figure = (value: number): string => (value !== 0 && Math.abs(value) < 0.1 ? Number(value.toPrecision(2)).toString() : value.toFixed(Math.abs(value) < 10 ? 2 : 1));

export const cores = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : 'unlimited');
export const seconds = (durationMs: DurationMs): string => (durationMs < 10_000 && durationMs % 1_000 !== 0 ? `${(durationMs / 1_000).toFixed(1)} s` : `${Math.round(durationMs / 1_000)} s`);
export const quantileName = (quantile: number): string => `p${Math.round(quantile * 100)}`;
export const coreSecondsText = (value: number): string => figure(value);

function priceDifference(source: DeviceState, target: DeviceState): string {
  const more = target.view.spec.pricePerHour - source.view.spec.pricePerHour;
  if (Math.abs(more) < 0.005) return 'same price';
  return `${Math.abs(more).toFixed(2)} $/h ${more > 0 ? 'dearer' : 'cheaper'}`;
}

/** Why this target: "d-large has 0.41 cores of headroom, same rack, 0.02 $/h dearer". Headroom before the thread comes. */
export function aboutTarget(board: Board, { source, target, estimate }: MoveRequest): string {
  const fromStep = Math.min(estimate.fromStep, board.grid.steps - 1);
  const left = Math.max(0, target.load.headroom(board.deviations, undefined, fromStep));
  const parts = [`${target.id} has ${cores(left)} cores of headroom`];
  if (source !== undefined) parts.push(pathBetween(board, source, target).nearness, priceDifference(source, target));
  return parts.join(', ');
}

/** The net gain is what `Decision.expectedGainCoreSeconds` holds. */
export const aboutGain = (gain: { net: number; cost: number }): string =>
  `expected gain ${figure(gain.net)} core-seconds, cost ${figure(gain.cost)} already taken off`;

/** Parts of a reason, joined; empty ones are left out. */
export const sentence = (...parts: readonly (string | undefined)[]): string => parts.filter((p) => p !== undefined && p !== '').join('; ');
