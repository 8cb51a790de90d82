export { startGateway, type Gateway, type GatewayOptions } from './gateway.js';
export { gatewayConfig, readTokens } from './config.js';
export { ROLES, type Role, type Tokens } from './http/access.js';
