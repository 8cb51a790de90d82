/** Fastify's types, by way of Nest's adapter: Fastify itself is Nest's dependency and none of ours. */
import type { FastifyAdapter } from '@nestjs/platform-fastify';

export type FastifyRequest = FastifyAdapter extends FastifyAdapter<infer _Server, infer _RawRequest, infer _RawReply, infer Request, infer _Reply, infer _Instance> ? Request : never;
export type FastifyReply = FastifyAdapter extends FastifyAdapter<infer _Server, infer _RawRequest, infer _RawReply, infer _Request, infer Reply, infer _Instance> ? Reply : never;
export type FastifyInstance = FastifyAdapter extends FastifyAdapter<infer _Server, infer _RawRequest, infer _RawReply, infer _Request, infer _Reply, infer Instance> ? Instance : never;
