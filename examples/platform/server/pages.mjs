// The front end's files, and what a browser may do with them.
import fastifyStatic from '@fastify/static';

import { Refused } from './errors.mjs';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** Which paths are pages: the front end itself decides what it shows there. */
const PAGES = ['/', '/sign-in', '/security/api-keys', '/licensing', '/displays', '/features/*', '/openapi/page'];

export async function pages(app, { root, hosts }) {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    // Another name for this address is how a page elsewhere would reach it from inside a browser.
    if (!hosts().includes(request.headers.host)) throw new Refused('CROSS_SITE');
    const origin = request.headers.origin;
    if (origin !== undefined && !hosts().some((host) => origin === `http://${host}`)) throw new Refused('CROSS_SITE');
    const site = request.headers['sec-fetch-site'];
    const isElsewhere = site !== undefined && !['same-origin', 'none'].includes(site);
    if (isElsewhere && !['GET', 'HEAD'].includes(request.method)) throw new Refused('CROSS_SITE');
  });
  await app.register(fastifyStatic, { root, index: false, wildcard: false, cacheControl: false });
  for (const url of PAGES) app.get(url, (_, reply) => reply.header('Cache-Control', 'no-cache').sendFile('index.html'));
}
