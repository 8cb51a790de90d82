export { onGrid, usualStepMs, meanMove, seriesName, MAX_GRID_STEPS, type RecordedSeries, type GridSeries } from './recorded-series.js';
export { drawWindows, splitByEntity, windowAt, type Window, type WindowSize } from './windows.js';
export { drawStretches, presentRatio, stretchOf } from './stretches.js';
export { pinball, scorePath, type PathScore } from './path-scores.js';
export { COMBINATION, NAIVE, asModel, createAll, createCombination, follow, optionsFor, pathOf, type Borrowed, type Forecaster } from './forecaster.js';
export { evaluateTrace, floorOf, quantileOf, type Progress, type TraceOptions, type TraceRow, type TraceTable } from './trace-evaluation.js';
export { ABSTAIN_RATIO, verdictOf, type Verdict } from './verdict.js';
export { forecastPicture, type PictureInput } from './picture.js';
