/** The fixed sizes of the network's input and output. A change of any of them is a new `FORMAT` in `model-file.ts`. */

/** Newest steps of a series that the network sees. */
export const WINDOW_STEPS = 128;
/** Steps that one step of the recurrent layer takes in: 16 recurrent steps instead of 128 cost an eighth and see as far. */
export const PATCH_STEPS = 8;
export const PATCHES = WINDOW_STEPS / PATCH_STEPS;
/** With fewer steps of history there is no prediction. */
export const LEAST_STEPS = 16;
/** Steps ahead at which the network answers; between them quantiles are interpolated, see `path.ts`. */
export const LEADS: readonly number[] = [1, 2, 4, 8, 16, 32, 64];

/** Per step of a patch: where it stands, and how it got there; then the share of the patch that is history. */
export const PATCH_CHANNELS = 2 * PATCH_STEPS + 1;
/** What the window is like as a whole. */
export const TRAITS = 29;
/** Simple forecasts that the network mixes, as differences to where it starts from. */
export const ANCHORS = 12;
/** Anchors as traits, errors of the simple forecasts and of the last value, the lead, its scale beside the first lead's. */
export const LEAD_TRAITS = ANCHORS + 8;
