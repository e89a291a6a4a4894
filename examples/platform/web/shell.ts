// What is around every page: where one is, what is locked, and who is signed in.
import { ask, type Features, type Notice, type Session } from './api';
import { el, fresh } from './dom';
import { moment } from './format';

/** Pages that a license opens; which of the catalogue are pages here. */
export const GATED: Record<string, string> = {
  VIDEO_WALL_SYNC: 'Video Walls',
  DEVICE_GROUPS: 'Device Groups',
  SCREEN_SHARE_WEBRTC: 'Screen Sharing',
  SSO_SAML: 'Single Sign-On',
};

export async function shell(session: Session, path: string, show: (path: string) => void): Promise<(content: HTMLElement) => HTMLElement> {
  const { features, notices } = await ask<Features>('GET', '/api/features');
  const granted = new Set(features.filter((one) => one.granted).map((one) => one.code));
  const signOut = async () => {
    await ask('DELETE', '/api/session');
    show('/sign-in');
  };
  const nav = el(
    'nav',
    { 'aria-label': 'Pages' },
    section('Platform', [link('/licensing', 'Licensing', path)]),
    section('Security', [link('/security/api-keys', 'API Keys', path)]),
    section('Operations', [
      link('/displays', 'Displays', path),
      ...Object.entries(GATED).map(([code, title]) => link(`/features/${code}`, title, path, !granted.has(code))),
    ]),
    section('Developers', [link('/openapi/page', 'OpenAPI', path)]),
  );
  const toggle = el('button', { type: 'button', class: 'quiet nav-toggle', 'aria-expanded': 'false' }, 'Menu');
  toggle.addEventListener('click', () => {
    const isOpen = nav.classList.toggle('open');
    toggle.setAttribute('aria-expanded', String(isOpen));
  });
  const header = el(
    'header',
    {},
    toggle,
    el('span', { class: 'brand' }, 'Platform'),
    el('span', { class: 'who' }, 'Signed in as ', el('strong', {}, session.name)),
    el('button', { type: 'button', class: 'quiet', click: signOut }, 'Sign out'),
  );
  return (content) =>
    el('div', { class: 'shell' }, el('a', { class: 'skip', href: '#content' }, 'To the content'), header, nav, el('main', { id: 'content', tabindex: -1 }, ...notices.map(shown), content));
}

function shown(notice: Notice): HTMLElement {
  const until = notice.until ? ` until ${moment(notice.until)}.` : '';
  const isAlarm = notice.severity !== 'info';
  return el('div', { class: `notice ${notice.severity}`, role: isAlarm ? 'alert' : 'note' }, notice.message, until, notice.advice ? ` ${notice.advice}` : '', isAlarm && notice.code ? [' ', el('code', {}, notice.code)] : null);
}

function section(title: string, links: HTMLElement[]): HTMLElement {
  const id = fresh('nav');
  return el('div', { class: 'nav-section' }, el('h2', { id }, title), el('ul', { 'aria-labelledby': id }, ...links.map((one) => el('li', {}, one))));
}

function link(href: string, title: string, path: string, isLocked = false): HTMLElement {
  const lock = isLocked ? [el('span', { class: 'lock', 'aria-hidden': 'true' }), el('span', { class: 'unseen' }, ' (locked)')] : [];
  return el('a', { href, 'data-page': true, 'aria-current': href === path ? 'page' : null }, title, ...lock);
}
