import express from './express.js';

export const { apiKey, entitled } = express;
