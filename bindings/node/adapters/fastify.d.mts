import inspireAuth from './fastify.js';

export type { ChannelOption, InspireAuthOptions, KeyOptions, RequireKeyHook } from './fastify.js';
export { inspireAuth, inspireAuth as default };
