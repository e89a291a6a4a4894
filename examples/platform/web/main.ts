// Which page is shown: the address says it.
import { ApiError, session, type Session } from './api';
import { el, replace } from './dom';
import { problem } from './dialogs';
import { displays } from './pages/displays';
import { feature } from './pages/feature';
import { keys } from './pages/keys';
import { licensing } from './pages/licensing';
import { openapi } from './pages/openapi';
import { signIn } from './pages/sign-in';
import { shell } from './shell';

export type Page = (session: Session, show: (path: string) => void) => Promise<HTMLElement>;

const PAGES: [pattern: RegExp, title: string, page: Page][] = [
  [/^\/security\/api-keys$/, 'API Keys', keys],
  [/^\/licensing$/, 'Licensing', licensing],
  [/^\/displays$/, 'Displays', displays],
  [/^\/features\/[A-Z0-9_]+$/, 'Feature', feature],
  [/^\/openapi\/page$/, 'OpenAPI', openapi],
];

/** Where one is who asked for no page, or none of ours. */
const HOME = '/security/api-keys';

const app = document.getElementById('app') as HTMLElement;
/** What is being made is dropped when something else was asked for meanwhile. */
let turn = 0;

async function render(): Promise<void> {
  turn += 1;
  const mine = turn;
  try {
    const found = await session();
    if (mine !== turn) return;
    if (found === null) {
      document.title = 'Sign in';
      replace(app, signIn(() => show(location.pathname === '/sign-in' ? '/' : location.pathname)));
      return;
    }
    if (!PAGES.some(([pattern]) => pattern.test(location.pathname))) history.replaceState(null, '', HOME);
    const path = location.pathname;
    const [, title, page] = PAGES.find(([pattern]) => pattern.test(path)) ?? PAGES[0]!;
    const [around, content] = await Promise.all([shell(found, path, show), page(found, show)]);
    if (mine !== turn) return;
    document.title = `${title} · Platform`;
    replace(app, around(content));
    content.querySelector<HTMLElement>('h1')?.focus();
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof ApiError && error.error === 'SIGNED_OUT') return render();
    const wrong = problem();
    wrong.show(error);
    replace(app, el('main', { class: 'alone' }, el('h1', {}, 'Something is wrong'), wrong.element, el('button', { type: 'button', click: () => void render() }, 'Try again')));
  }
}

export function show(path: string): void {
  if (path !== location.pathname) history.pushState(null, '', path);
  void render();
}

window.addEventListener('popstate', () => void render());
document.addEventListener('click', (event) => {
  const link = (event.target as Element).closest<HTMLAnchorElement>('a[data-page]');
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.pathname);
});
void render();
