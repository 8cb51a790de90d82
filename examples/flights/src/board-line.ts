/** What `board` writes every so often; `threads/board.ts` is its author, and its spec holds both to one shape. */
export interface BoardLine {
  readonly flights: number;
  readonly missing: number;
  readonly repeated: number;
  readonly digest: string;
  readonly airports: number;
  readonly worst: readonly { readonly airport: string; readonly flights: number; readonly meanDelay: number; readonly meanSpread: number }[];
}
