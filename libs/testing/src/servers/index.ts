export { startTestNats, startTestNatsCluster, startTestRedis, type TestNats, type TestRedis, type TestServer } from './test-servers.js';
export { repositoryRoot, temporaryFolder, testServer } from './tools.js';
