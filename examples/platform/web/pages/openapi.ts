// What the HTTP API has, from its own document.
import { ask, type Session } from '../api';
import { el, path as place } from '../dom';

interface Document {
  paths: Record<string, Record<string, { summary: string; description: string }>>;
  components: { securitySchemes: Record<string, { type: string; scheme?: string; name?: string; description?: string }> };
}

export async function openapi(_session: Session): Promise<HTMLElement> {
  const { paths, components } = await ask<Document>('GET', '/openapi');
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary, description }]) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row', 'data-title': 'Request' }, place(`${method.toUpperCase()} ${path}`)),
        el('td', { 'data-title': 'What' }, summary),
        el('td', { 'data-title': 'Needs' }, ...description.replace('Needs ', '').split(/(?<=[:,]) /).flatMap((part, at) => [at === 0 ? '' : ' ', part.includes('/') ? place(part) : part])),
      ),
    ),
  );
  const schemes = Object.values(components.securitySchemes).map((scheme) => {
    const header = scheme.type === 'http' ? 'Authorization: Bearer name:key' : `${scheme.name}: name:key`;
    return el('li', {}, el('code', {}, header));
  });
  const head = el('tr', {}, ...['Request', 'What', 'Needs'].map((title) => el('th', { scope: 'col' }, title)));
  return el(
    'div',
    {},
    el('h1', { tabindex: -1 }, 'OpenAPI'),
    el('p', { class: 'lead' }, 'The HTTP API, which API keys are for. ', el('a', { href: '/openapi' }, 'The document itself'), ' is for programs.'),
    el('section', { 'aria-label': 'Credentials' }, el('h2', {}, 'How a key is sent'), el('ul', { class: 'plain' }, ...schemes)),
    el('section', { 'aria-label': 'Requests' }, el('h2', {}, 'Requests'), el('table', { class: 'cards' }, el('caption', { class: 'unseen' }, 'Requests'), el('thead', {}, head), el('tbody', {}, ...rows))),
  );
}
