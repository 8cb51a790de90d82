import { LeadErrors } from './lead-errors.js';
import type { Model, ModelOptions, PointModel } from './model.js';

/** Longest lead whose point is computed one by one; later points repeat the last. Bounds the cost of one call. */
const MAX_PATH_STEPS = 4_096;

/** Makes a model of a point model: its quantiles are its point plus the quantiles of its own past errors at that lead. */
export function createFromPoints(name: string, options: ModelOptions, points: PointModel): Model {
  const errors = new LeadErrors(options);
  const issued = new Float64Array(errors.maxLead);
  const width = options.levels.length;
  let path: Float64Array = new Float64Array(options.maxHorizonSteps);
  let learnt = false;

  return {
    name,
    update(value) {
      errors.settle(value);
      points.learn(value);
      learnt = true;
      points.path(issued, issued.length);
      errors.issue(issued);
    },
    skip(steps) {
      // Beyond the longest lead nothing is pending any more, and a point model has forgotten where it was.
      for (let i = Math.min(steps, errors.maxLead); i > 0; i--) {
        if (learnt) points.miss();
        errors.miss();
      }
    },
    forecast(leads, into) {
      if (!learnt) {
        into.fill(0, 0, leads.length * width);
        return;
      }
      const longest = Math.min(MAX_PATH_STEPS, leads[leads.length - 1] ?? 1);
      if (longest > path.length) path = new Float64Array(longest);
      points.path(path, longest);
      for (let k = 0; k < leads.length; k++) {
        const lead = leads[k]!;
        into.fill(path[Math.min(lead, longest) - 1]!, k * width, (k + 1) * width);
        errors.addTo(lead, into, k * width);
      }
    },
  };
}
