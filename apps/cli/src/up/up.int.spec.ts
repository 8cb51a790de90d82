/** `godwit up` as a terminal runs it, and what is left when it ends in each way. The workspace must be built. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { descendantsOf, leftOf, repositoryRoot, temporaryFolder, type SeenProcess } from '@godwit/testing';

const MINUTE = 60_000;
const GONE_WITHIN_MS = 20_000;
/** Services, servers and the servers' keeper. */
const LEAST_PROCESSES = 11;

interface Up {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  /** Resolves with the first line that matches. @throws when the command ends before. */
  line(wanted: RegExp): Promise<string>;
}

let folder: { path: string; remove(): Promise<void> };
let root: string;
const running: Up[] = [];
beforeEach(async () => {
  folder = await temporaryFolder('up');
  root = await repositoryRoot();
});
afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill('SIGKILL');
    await exited;
  }
  await folder.remove();
});

function up(...args: string[]): Up {
  // A process group of its own, as a shell gives to a command.
  const child = spawn(process.execPath, [join(root, 'apps/cli/dist/main.js'), ...args], {
    detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: folder.path, env: { ...process.env, NODE_OPTIONS: '' },
  });
  const [lines, errors]: [string[], string[]] = [[], []];
  const exited = once(child, 'close') as Up['exited'];
  let look = (): void => undefined;
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line);
    look();
  });
  createInterface({ input: child.stderr! }).on('line', (line) => errors.push(line));
  const line = (wanted: RegExp): Promise<string> => new Promise((resolve, reject) => {
    look = () => {
      const found = lines.find((text) => wanted.test(text));
      if (found !== undefined) resolve(found);
    };
    void exited.then(([code]) => reject(new Error(`ended with ${code} before ${wanted}: ${[...lines, ...errors].join('\n')}`)));
    look();
  });
  const started = { child, lines, errors, exited, line };
  running.push(started);
  return started;
}

async function treeOf({ child }: Up): Promise<SeenProcess[]> {
  const tree = await descendantsOf(child.pid!);
  expect(tree.length).toBeGreaterThanOrEqual(LEAST_PROCESSES);
  return tree;
}

describe('godwit up', () => {
  it('says where it serves, and Ctrl-C ends all of it in order, the temporary folder too', async () => {
    const command = up('up', '--once');
    const data = /data folder (\S+) \(temporary\)$/.exec(await command.line(/data folder/))![1]!;
    const url = /http\S+/.exec(await command.line(/^ {2}API /))![0];
    expect((await fetch(`${url}/openapi.json`)).status).toBe(200);
    await command.line(/^Ctrl-C ends/);
    expect(command.lines).toEqual(expect.arrayContaining([expect.stringMatching(/^ +\d+\.\d s {2}gateway ready/), expect.stringMatching(/^ {2}docs {3}http\S+\/docs$/), expect.stringMatching(/^ {2}logs {3}\//)]));
    const tree = await treeOf(command);

    process.kill(-command.child.pid!, 'SIGINT'); // as a terminal does: to the whole group

    expect(await command.exited).toEqual([0, null]);
    expect(await leftOf(tree, GONE_WITHIN_MS)).toEqual([]);
    await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(command.lines.at(-1)).toMatch(/ended$/);
    expect(command.errors).toEqual([]);
  }, 2 * MINUTE);

  it('leaves nothing when it is killed, and starts again on the same data', async () => {
    const data = join(folder.path, 'data');
    const devices = join(folder.path, 'devices.json');
    await writeFile(devices, JSON.stringify([{ device: 'only', cpuCores: 0.2, memoryBytes: 1024 ** 3 }]));
    const killed = up('up', '--data', data, '--devices', devices, '--policy', 'off');
    await killed.line(/^Ctrl-C ends/);
    const tree = await descendantsOf(killed.child.pid!);

    killed.child.kill('SIGKILL');

    await killed.exited;
    expect(await leftOf(tree, GONE_WITHIN_MS)).toEqual([]);

    const resumed = up('up', '--data', data);
    await resumed.line(/data folder \S+ \(resumed\)/);
    await resumed.line(/devices only \(0\.2 cores\) known already/);
    await resumed.line(/^Ctrl-C ends/);
    const second = up('--json', 'up', '--data', data);
    expect(await second.exited).toEqual([4, null]);
    expect(second.lines).toEqual([]);
    expect(second.errors).toEqual([expect.stringMatching(new RegExp(`^godwit: the folder ${data} is in use by process ${resumed.child.pid}: `))]);

    const rest = await descendantsOf(resumed.child.pid!);
    resumed.child.kill('SIGTERM');
    await resumed.line(/ending; once more ends it at once/);
    resumed.child.kill('SIGINT');
    expect(await resumed.exited).toEqual([0, null]);
    expect(await leftOf(rest, GONE_WITHIN_MS)).toEqual([]);
  }, 3 * MINUTE);

  it('leaves nothing when Ctrl-C comes while it starts', async () => {
    const command = up('up', '--data', join(folder.path, 'data'));
    await command.line(/migration-controller ready/);
    const tree = await descendantsOf(command.child.pid!);
    process.kill(-command.child.pid!, 'SIGINT');
    expect(await command.exited).toEqual([130, null]);
    expect(await leftOf(tree, GONE_WITHIN_MS)).toEqual([]);
  }, 2 * MINUTE);

  it.each([
    [['--devices', 'missing.json'], /^godwit: --devices missing.json: cannot be read \(ENOENT\)/],
    [['--http-port', '99999'], /^godwit: httpPort: must be a whole number from 0 to 65535/],
    [['--horizon', '0.5'], /^godwit: horizonMs: must be 1000 to 600000/],
  ])('refuses %j with one line and exit code 2', async (args, message) => {
    const command = up('up', ...args);
    expect(await command.exited).toEqual([2, null]);
    expect(command.errors).toEqual([expect.stringMatching(message)]);
  }, MINUTE);
});
