/**
 * Removing what the marks allow, in slices: a purge of 200,000 records stalls appends for a third of a second.
 * Whatever the marks say, owner records are not touched, and a thread's newest output and newest checkpoint stay: they
 * tell a new owner where the thread's numbers go on.
 */
import type { NatsLink } from './connection.js';
import { apiOrThrow, getRecord } from './leader.js';

/** A slice covers at most so many sequences, hence removes at most so many records. */
export const PURGE_SLICE = 4_000;

/** Removes the records under `filter` whose sequence is below `belowSeq`. Returns how many went. */
export async function purgeBelow(link: NatsLink, stream: string, filter: string, belowSeq: number): Promise<number> {
  let purged = 0;
  for (let fromSeq = 1; fromSeq < belowSeq;) {
    const first = await getRecord(link, stream, { seq: fromSeq, next_by_subj: filter });
    if (!first || first.seq >= belowSeq) break;
    const sliceEnd = Math.min(belowSeq, first.seq + PURGE_SLICE);
    purged += await purge(link, stream, { filter, seq: sliceEnd });
    fromSeq = sliceEnd;
  }
  return purged;
}

/** Removes the record of one subject. */
export const purgeSubject = (link: NatsLink, stream: string, subject: string): Promise<number> => purge(link, stream, { filter: subject });

async function purge(link: NatsLink, stream: string, request: { filter: string; seq?: number }): Promise<number> {
  return (await apiOrThrow<{ purged: number }>(link, `STREAM.PURGE.${stream}`, request)).purged;
}
