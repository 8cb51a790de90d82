/** Versions of server programs: read from what `--version` prints, compared, gated. */
import { refuse, type Refusal } from '@godwit/kernel';

/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** The programs that Godwit can find, obtain and start: two servers, and the tool that takes a Linux process tree's state. */
export type ServerName = 'nats' | 'redis' | 'criu';

/**
 * The oldest versions that do: NATS for the fence header, atomic batches and `sync_interval: always`; Redis as tried;
 * CRIU for kernels since 6.10, whose vdso older ones cannot read.
 */
export const MINIMUM_VERSIONS: Readonly<Record<ServerName, Version>> = { nats: [2, 12, 6], redis: [7, 0, 0], criu: [4, 0, 0] };

const NAMES_FOR_PEOPLE: Readonly<Record<ServerName, { readonly program: string; readonly variables: string }>> = {
  nats: { program: 'nats-server', variables: 'NATS_SERVER_BIN or NATS_URL' },
  redis: { program: 'redis-server', variables: 'REDIS_SERVER_BIN or REDIS_URL' },
  criu: { program: 'criu', variables: 'CRIU_BIN' },
};

/** The first `a.b.c` in `text`, as in `nats-server: v2.15.1`, `Redis server v=7.0.15 sha=…` or Debian's `5:7.0.15-1~deb12u7`. */
export function parseVersion(text: string): Version | undefined {
  const match = /(?:^|[^\d.])(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?!\d|\.\d)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

export const formatVersion = (version: Version): string => version.join('.');

/** True when `version` is `minimum` or newer. */
export function isAtLeast(version: Version, minimum: Version): boolean {
  for (let i = 0; i < 3; i++) {
    const difference = version[i]! - minimum[i]!;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** One line with the remedy when `version` is older than Godwit needs, else undefined. `where` says which server it is. */
export function tooOld(server: ServerName, version: Version, where: string): Refusal | undefined {
  const minimum = MINIMUM_VERSIONS[server];
  if (isAtLeast(version, minimum)) return undefined;
  const { program, variables } = NAMES_FOR_PEOPLE[server];
  return refuse('server-too-old',
    `${where} is ${program} ${formatVersion(version)}, but Godwit needs ${formatVersion(minimum)} or newer: `
    + `update it, or unset ${variables} so that Godwit obtains one by itself`);
}
