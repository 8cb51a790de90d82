import { LeadErrors } from './lead-errors.js';
import type { Model, ModelOptions, PointModel } from './model.js';

/** Longest lead whose point is computed one by one; later points repeat the last. Bounds the cost of one call. */
const MAX_PATH_STEPS = 4_096;

/** Makes a model of a point model: its quantiles are its point plus the quantiles of its own past errors at that lead. */
export function createFromPoints(name: string, options: ModelOptions, points: PointModel): Model {
  const errors = new LeadErrors(options, points.offsets && ((into) => points.offsets!(into)));
  const width = options.levels.length;
  let path: Float64Array = new Float64Array(errors.maxLead);
  let pathSteps = 0;
  let learnt = false;

  /** Makes the path valid for at least `steps` steps. */
  const ensurePath = (steps: number): void => {
    if (pathSteps >= steps) return;
    if (steps > path.length) path = new Float64Array(Math.min(MAX_PATH_STEPS, 2 * steps));
    points.path(path, steps);
    pathSteps = steps;
  };

  return {
    name,
    ...(points.ready ? { ready: () => points.ready!() } : {}),
    update(value) {
      errors.settle(value);
      points.learn(value);
      learnt = true;
      pathSteps = 0;
      ensurePath(errors.maxLead);
      errors.issue(path);
    },
    skip(steps) {
      pathSteps = 0;
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
      ensurePath(longest);
      for (let k = 0; k < leads.length; k++) {
        const lead = leads[k]!;
        errors.write(path[Math.min(lead, longest) - 1]!, lead, into, k * width);
      }
    },
  };
}
