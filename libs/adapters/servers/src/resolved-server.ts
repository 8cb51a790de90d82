/** What the resolution chain ends in. */

/** A server that runs already; Godwit only connects to it. */
export interface RunningElsewhere {
  readonly kind: 'url';
  readonly url: string;
  /** Which link of the chain answered, for people. */
  readonly link: string;
}

/** A program on this machine. */
export interface ServerBinary {
  readonly kind: 'binary';
  /** Program, preceded by its own loader and the loader's options where it needs one. */
  readonly command: readonly string[];
  /** Environment that the program needs besides the inherited one. */
  readonly env: Readonly<Record<string, string>>;
  /** As in `2.15.1`. */
  readonly version: string;
  readonly link: string;
}

/**
 * An image that a container engine of this machine runs. The process that is started, watched and signalled is the
 * engine's client: it passes SIGTERM on, and after its SIGKILL the container is removed.
 */
export interface ServerImage {
  readonly kind: 'container';
  /** As in `docker`. */
  readonly engine: string;
  readonly image: string;
  readonly version: string;
  readonly link: string;
}

/** Something that `startNats` or `startRedis` can start. */
export type StartableServer = ServerBinary | ServerImage;
export type ResolvedServer = RunningElsewhere | StartableServer;
