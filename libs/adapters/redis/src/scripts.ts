/** The two scripts. Loaded at connect and named by their digest ever after, so that no rights for EVAL are needed at run time. */
import { createHash } from 'node:crypto';

export interface Script {
  readonly source: string;
  /** SHA-1, as EVALSHA wants it. */
  readonly sha1: string;
}
const script = (source: string): Script => ({ source, sha1: createHash('sha1').update(source).digest('hex') });

/** KEYS: epoch. ARGV: epoch. Answers the epoch that holds afterwards. */
export const GRANT = script(`
local held = tonumber(redis.call('GET', KEYS[1]) or '0')
local given = tonumber(ARGV[1])
if given > held then redis.call('SET', KEYS[1], ARGV[1]) return given end
return held
`);

/**
 * KEYS: epoch, list of checkpoints, chunk. ARGV: epoch, k, number of chunks, the chunk's value, k of the base.
 * Answers 0 when it was written, else the newer epoch that forbids it. The list keeps the highest number of chunks that a
 * checkpoint ever had, so that removing it leaves none behind, and the base that it needs.
 */
export const WRITE_CHUNK = script(`
local held = tonumber(redis.call('GET', KEYS[1]) or '0')
local given = tonumber(ARGV[1])
if held > given then return held end
if given > held then redis.call('SET', KEYS[1], ARGV[1]) end
local known = redis.call('HGET', KEYS[2], ARGV[2]) or '0'
local chunks = math.max(tonumber(ARGV[3]), tonumber(string.match(known, '^%d+') or '0'))
redis.call('HSET', KEYS[2], ARGV[2], chunks .. ' ' .. ARGV[5])
redis.call('SET', KEYS[3], ARGV[4])
return 0
`);
