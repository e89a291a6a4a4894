export * from './openfeature.js';
