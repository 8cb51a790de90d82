export { startTestNats, startTestNatsCluster, startTestRedis, type TestNats, type TestRedis, type TestServer } from './test-servers.js';
export { repositoryRoot, temporaryFolder, testCriu, testServer } from './tools.js';
