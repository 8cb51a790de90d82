/** Wires the graph to NATS. Request subjects are the controller's. */
import type { Clock } from '@godwit/kernel';
import { followRegistry, type Log, type RegistryFollower } from '@godwit/shell';
import { graphCodec, SUBJECTS } from '@godwit/wire';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { Counter, Gauge, Registry } from 'prom-client';
import { GraphKeeper } from './graph-keeper.js';

const TICK_MS = 1_000;

export interface GraphService {
  readonly keeper: GraphKeeper;
  readonly follower: RegistryFollower;
  /** The service's own metrics, to be merged into those of its admin port. */
  readonly metrics: Registry;
  close(): Promise<void>;
}

/** @throws OperationError when the registry cannot be read. */
export async function openGraphService({ nats, log, clock }: { readonly nats: NatsConnection; readonly log: Log; readonly clock: Clock }): Promise<GraphService> {
  const keeper = new GraphKeeper({ clock, log, publish: (graph) => nats.publish(SUBJECTS.graph, graphCodec.encode(graph)) });
  const follower = await followRegistry({ nats, log, onChange: (registry) => keeper.takeRegistry(registry) });
  const listen = (subject: string, take: (subject: string, data: Uint8Array) => void) => nats.subscribe(subject, {
    callback: (error, message: Msg) => (error ? log.warn({ subject, err: error }, 'subscription failed') : take(message.subject, message.data)),
  });
  const subscriptions = [
    listen(SUBJECTS.trace('*'), (subject, data) => keeper.takeTrace(subject, data)),
    listen(SUBJECTS.metrics('*'), (subject, data) => keeper.takeSamples(subject, data)),
  ];
  const timer = setInterval(() => keeper.tick(), TICK_MS);
  return {
    keeper, follower, metrics: measures(keeper),
    close: async () => {
      clearInterval(timer);
      for (const subscription of subscriptions) subscription.unsubscribe();
      await follower.stop();
    },
  };
}

function measures(keeper: GraphKeeper): Registry {
  const register = new Registry();
  const registers = [register];
  new Gauge({ name: 'godwit_graph_nodes', help: 'Threads that an edge touches.', registers, collect() { this.set(keeper.size.nodes); } });
  new Gauge({ name: 'godwit_graph_edges', help: 'Edges, declared and observed.', registers, collect() { this.set(keeper.size.edges); } });
  new Counter({ name: 'godwit_graph_malformed_messages_total', help: 'Traces and samples that were refused.', registers, collect() { this.reset(); this.inc(keeper.malformed.count); } });
  return register;
}
