// Who are you? A key that holds the admin or the write level is what one signs in with.
import { ask } from '../api';
import { field, form } from '../dialogs';
import { el } from '../dom';

export function signIn(done: () => void): HTMLElement {
  const input = el('input', { type: 'password', autocomplete: 'off', required: true, spellcheck: 'false', autofocus: true });
  const hint = 'name:key, as it was shown when the key was made. The key needs the administrator or the write level.';
  const sheet = form([field('API key', input, hint)], [el('button', { type: 'submit' }, 'Sign in')], async () => {
    try {
      await ask('POST', '/api/session', { credential: input.value });
    } finally {
      input.value = '';
      input.focus();
    }
    done();
  });
  return el('main', { class: 'alone' }, el('h1', { tabindex: -1 }, 'Sign in to Platform'), sheet);
}
