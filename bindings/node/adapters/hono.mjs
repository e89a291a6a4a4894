import hono from './hono.js';

export const { apiKey } = hono;
