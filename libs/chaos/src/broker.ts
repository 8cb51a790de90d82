/**
 * The rig's own nats-server and the disk that it writes to: where loop mounts are permitted an ext4 image, so that a power
 * cut can be made. A cut: the broker stands still, the image is copied as the "disk" has it, the broker dies, and another
 * one starts on the copy. What was acknowledged and not yet on that disk is lost then, as it is when the power fails.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startNats, type RunningNats } from '@godwit/servers';
import { testServer } from '@godwit/testing/servers';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const IMAGE_BYTES = 1_024 * MIB;
/** What streams may ask for; they do not use it in a run. */
const STREAMS_BYTES = 4_096 * MIB;

export class Broker {
  private cuts = 0;
  private constructor(
    private readonly folder: string, private readonly host: string, private readonly logFile: string,
    /** Why its disk is a plain folder; undefined where it is an image. */
    readonly noImage: string | undefined,
    private image: string, private server: RunningNats,
  ) {}

  static async start(options: { readonly folder: string; readonly host: string; readonly logFile: string; readonly image: boolean }): Promise<Broker> {
    const folder = join(options.folder, 'broker');
    const image = join(options.folder, 'broker-0.img');
    await mkdir(folder, { recursive: true });
    const noImage = options.image ? await mountNew(image, folder) : 'loop mounts need namespaces of the run\'s own';
    const server = await startNats({ server: await testServer('nats'), dataDir: join(folder, 'data'), logFile: options.logFile, host: options.host, jetstreamMaxBytes: STREAMS_BYTES });
    return new Broker(folder, options.host, options.logFile, noImage, image, server);
  }

  get url(): string { return this.server.url; }
  get port(): number { return this.server.port; }
  get monitorUrl(): string { return this.server.monitorUrl; }

  async startAgain(): Promise<void> {
    const { port, monitorPort } = this.server;
    this.server = await startNats({
      server: await testServer('nats'), dataDir: join(this.folder, 'data'), logFile: this.logFile, host: this.host, port, monitorPort, jetstreamMaxBytes: STREAMS_BYTES,
    });
  }

  async kill(): Promise<void> {
    this.server.kill('SIGKILL');
    await this.server.ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.startAgain();
  }

  /** @throws Error where there is no image. */
  async powerCut(): Promise<void> {
    if (this.noImage !== undefined) throw new Error(`no power cut: ${this.noImage}`);
    const before = this.image;
    this.server.kill('SIGSTOP');
    this.image = join(this.folder, '..', `broker-${++this.cuts}.img`);
    // What the file system has written, not what it still holds in memory: the copy is made below it.
    await run('cp', ['--sparse=always', before, this.image]);
    await this.kill();
    await run('umount', [this.folder]);
    await rm(before);
    await run('mount', ['-o', 'loop', this.image, this.folder]);
    await this.startAgain();
  }

  /** A copy of all that it holds, taken while it is stopped in order. */
  async backUp(): Promise<void> {
    await this.server.stop();
    await cp(join(this.folder, 'data'), this.old, { recursive: true });
    await this.startAgain();
  }
  /** The copy in place of what it holds now, which is kept. */
  async restoreBackUp(): Promise<void> {
    await this.kill();
    await rename(join(this.folder, 'data'), join(this.folder, 'newer'));
    await cp(this.old, join(this.folder, 'data'), { recursive: true });
    await this.startAgain();
  }
  /** What was kept takes its place again. */
  async undoRestore(): Promise<void> {
    await this.kill();
    await rm(join(this.folder, 'data'), { recursive: true });
    await rename(join(this.folder, 'newer'), join(this.folder, 'data'));
    await this.startAgain();
  }
  private get old(): string {
    return join(this.folder, 'old');
  }

  async stop(): Promise<void> {
    await this.server.stop();
    if (this.noImage === undefined) await run('umount', ['--lazy', this.folder]);
  }
}

/** @returns why not. */
async function mountNew(image: string, folder: string): Promise<string | undefined> {
  try {
    await run('truncate', ['--size', String(IMAGE_BYTES), image]);
    await run('mkfs.ext4', ['-q', '-F', image]);
    await run('mount', ['-o', 'loop', image, folder]);
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return `an ext4 image cannot be mounted here: ${(stderr || message).trim()}`;
  }
}
