import inspireAuth from './fastify.js';

export { inspireAuth, inspireAuth as default };
