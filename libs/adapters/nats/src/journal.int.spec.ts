import { journalContract, lossyProxy, startTestNats, startTestNatsCluster, type JournalUnderTest } from '@godwit/testing';
import { connectNats, natsJournal, type NatsLink } from './index.js';

async function underTest(servers: { ports: number[] } & AsyncDisposable, replicas: 1 | 3): Promise<JournalUnderTest> {
  const proxy = await lossyProxy(servers.ports[0]!);
  const links: NatsLink[] = [];
  const open = async (port: number, name: string) => {
    const link = await connectNats({ url: `nats://127.0.0.1:${port}`, name, discoverServers: false });
    links.push(link);
    return natsJournal(link, { replicas });
  };
  return {
    journal: await open(proxy.port, 'under-test'),
    another: () => open(servers.ports[links.length % servers.ports.length]!, 'another'),
    faults: { loseNextAnswer: () => proxy.loseNextAnswer(), answersLost: () => proxy.lost },
    async [Symbol.asyncDispose]() {
      await Promise.all(links.map((link) => link.close()));
      await proxy[Symbol.asyncDispose]();
      await servers[Symbol.asyncDispose]();
    },
  };
}

const portOf = (url: string): number => Number(new URL(url).port);

journalContract('on one broker', async () => {
  const nats = await startTestNats();
  return underTest({ ports: [portOf(nats.url)], [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() }, 1);
});

journalContract('on a cluster of three', async () => {
  const cluster = await startTestNatsCluster();
  return underTest({ ports: cluster.servers.map(({ url }) => portOf(url)), [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() }, 3);
});
