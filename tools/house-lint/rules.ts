import type { Rule } from './rule.ts';
import { coreCycles } from './rules/core-cycles.ts';
import { corePurity } from './rules/core-purity.ts';
import { declaredDependencies } from './rules/declared-dependencies.ts';
import { emptyCatch } from './rules/empty-catch.ts';
import { errorTable } from './rules/error-table.ts';
import { fileNames } from './rules/file-names.ts';
import { focusedSpecs } from './rules/focused-specs.ts';
import { lengths } from './rules/lengths.ts';
import { machineTraces } from './rules/machine-traces.ts';
import { packageTags } from './rules/package-tags.ts';
import { readable } from './rules/readable.ts';
import { rooms } from './rules/rooms.ts';
import { toDoReasons } from './rules/to-do-reasons.ts';
import { typeEscapes } from './rules/type-escapes.ts';

/** All of them. A new rule is a file in `rules/`, a line here, and a spec in which it bites. */
export const RULES: readonly Rule[] = [
  readable, packageTags, rooms, coreCycles, declaredDependencies, corePurity,
  fileNames, focusedSpecs, typeEscapes, toDoReasons, emptyCatch, lengths, machineTraces, errorTable,
];
