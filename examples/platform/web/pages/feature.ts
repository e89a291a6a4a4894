// A page that the license opens: locked without its entitlement.
import { ask, type Features, type Session } from '../api';
import { el } from '../dom';
import { GATED } from '../shell';

export async function feature(session: Session): Promise<HTMLElement> {
  const code = location.pathname.split('/').at(-1) ?? '';
  const { features } = await ask<Features>('GET', '/api/features');
  const known = features.find((one) => one.code === code);
  const heading = el('h1', { tabindex: -1 }, GATED[code] ?? known?.feature ?? 'No such feature');
  if (known === undefined) return el('div', {}, heading);
  if (known.granted) return el('div', {}, heading, el('p', { class: 'lead' }, `${known.feature} is included in your license.`), el('p', {}, 'Here a product has its page.'));
  const advice = session.isAdmin
    ? [el('a', { href: '/licensing', 'data-page': true }, 'Licensing'), ' shows what your license includes, and takes a new one.']
    : ['Ask an administrator for a license that includes it.'];
  return el(
    'div',
    {},
    heading,
    el('div', { class: 'locked' }, el('p', { class: 'figure', 'aria-hidden': 'true' }, el('span', { class: 'lock' })), el('p', {}, el('strong', {}, `${known.feature} is not included in your license.`)), el('p', {}, ...advice), el('p', {}, el('code', {}, code))),
  );
}
