import type { Workspace } from './workspace.ts';

/** Something in the workspace that a house rule does not permit. */
export interface Violation {
  /** Path from the workspace root, with slashes. */
  readonly file: string;
  /** Counts from 1; 0 when the whole file or package is meant. */
  readonly line: number;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** One rule of the house. Rules read; none of them writes, asks the network or keeps anything between two calls. */
export interface Rule {
  /** Kebab-case, and the name of the rule's file. */
  readonly name: string;
  /** One sentence: what the rule protects. */
  readonly protects: string;
  check(workspace: Workspace): Violation[];
}
