// Activate and Update License: online at the licensing server, or offline with a file.
import { ask, type License } from '../api';
import { cancel, field, form, open } from '../dialogs';
import { el, fresh } from '../dom';

export function activate(license: License, isUpdate: boolean, changed: (told: string) => void): void {
  open(isUpdate ? 'Update License' : 'Activate', (close) => {
    const group = fresh('mode');
    const choice = (value: 'online' | 'offline', label: string, hint: string) => {
      const input = el('input', { type: 'radio', name: group, id: fresh('mode'), value });
      const element = el('div', { class: 'check' }, input, el('label', { for: input.id }, label), el('p', { class: 'hint' }, hint));
      return { input, element };
    };
    const online = choice('online', 'Online', 'This machine is registered at the licensing server.');
    const offline = choice('offline', 'Offline', 'With a signed .lic file, made for this machine. The license must allow it.');
    const key = el('input', { type: 'text', class: 'mono', required: true, autocomplete: 'off', spellcheck: 'false' });
    const file = el('textarea', { rows: 5, class: 'mono', spellcheck: 'false' });
    const chosen = el('input', { type: 'file', accept: '.lic,text/plain' });
    chosen.addEventListener('change', async () => {
      const [picked] = chosen.files ?? [];
      if (picked) file.value = await picked.text();
    });
    const withFile = el('div', {}, request(), field('License file', file, 'Paste what the .lic file holds, or choose it.'), field('Choose a .lic file', chosen));
    const arrange = () => {
      withFile.hidden = !offline.input.checked;
      file.required = offline.input.checked;
    };
    online.input.checked = license.hasServer;
    offline.input.checked = !license.hasServer;
    online.input.disabled = !license.hasServer;
    [online.input, offline.input].forEach((input) => input.addEventListener('change', arrange));
    arrange();
    return [
      form(
        [el('fieldset', {}, el('legend', {}, 'How'), online.element, offline.element), field('License key', key), withFile],
        [cancel(close), el('button', { type: 'submit' }, isUpdate ? 'Update License' : 'Activate')],
        async () => {
          const isOffline = offline.input.checked;
          await ask('POST', '/api/license', { mode: isOffline ? 'offline' : 'online', key: key.value, ...(isOffline ? { file: file.value } : {}) });
          close();
          changed(isUpdate ? 'The license was updated.' : 'The license was activated.');
        },
      ),
    ];
  });
}

/** What the vendor needs to make a file for this machine. */
function request(): HTMLElement {
  const place = el('span', { role: 'status' });
  const button = el('button', { type: 'button', class: 'quiet' }, 'Download the request for this machine');
  button.addEventListener('click', async () => {
    try {
      const made = await ask<{ request: string; fingerprint: string }>('POST', '/api/license/request');
      const url = URL.createObjectURL(new Blob([made.request], { type: 'text/plain' }));
      el('a', { href: url, download: 'machine.req' }).click();
      URL.revokeObjectURL(url);
      place.textContent = ' Send it to whoever issues your license.';
    } catch (error) {
      place.textContent = ` ${(error as Error).message}`;
    }
  });
  return el('p', {}, button, place);
}
