// Dialogs: the browser's own, which keep the focus inside, close with Escape, and give the focus back.
import { ApiError } from './api';
import { el, fresh, replace } from './dom';

export interface Dialog {
  element: HTMLDialogElement;
  close: () => void;
}

/** Opens a dialog over the page; it is gone when it is closed. `isFirm` ones close by their own buttons only. */
export function open(title: string, content: (close: () => void) => (Node | string)[], isFirm = false): Dialog {
  const heading = fresh('dialog');
  const element = el('dialog', { 'aria-labelledby': heading });
  const close = () => element.close();
  element.append(el('h2', { id: heading }, title), ...content(close));
  element.addEventListener('close', () => element.remove());
  if (isFirm) element.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(element);
  element.showModal();
  return { element, close };
}

/** A place for what went wrong: the code, what it means, and what to do. It is read out. */
export function problem(): { element: HTMLElement; show: (error: unknown) => void; clear: () => void } {
  const element = el('div', { role: 'alert', class: 'problem' });
  element.hidden = true;
  return {
    element,
    show(error) {
      const told = error instanceof ApiError ? error : new ApiError({ error: 'INTERNAL', message: String(error), advice: '' });
      replace(element, el('strong', {}, told.message), ' ', told.advice, ' ', el('code', {}, told.error));
      element.hidden = false;
      element.scrollIntoView({ block: 'nearest' });
    },
    clear() {
      element.hidden = true;
      replace(element);
    },
  };
}

/** A form whose button does something that takes time: it can be pressed once, and what fails is shown. */
export function form(
  fields: (Node | string)[],
  buttons: (Node | string)[],
  submit: (event: SubmitEvent) => Promise<void>,
): HTMLFormElement {
  const wrong = problem();
  const element = el('form', {}, ...fields, wrong.element, el('div', { class: 'buttons' }, ...buttons));
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    const pressed = element.querySelectorAll<HTMLButtonElement>('button[type=submit]');
    wrong.clear();
    element.setAttribute('aria-busy', 'true');
    pressed.forEach((button) => (button.disabled = true));
    try {
      await submit(event);
    } catch (error) {
      wrong.show(error);
    } finally {
      element.removeAttribute('aria-busy');
      pressed.forEach((button) => (button.disabled = false));
    }
  });
  return element;
}

/** Asks before something that can't be undone. */
export function confirm(title: string, text: (Node | string)[], verb: string, act: () => Promise<void>): Dialog {
  return open(title, (close) => [
    form(text, [cancel(close), el('button', { type: 'submit', class: 'danger' }, verb)], async () => {
      await act();
      close();
    }),
  ]);
}

export function cancel(close: () => void): HTMLButtonElement {
  return el('button', { type: 'button', class: 'quiet', click: close }, 'Cancel');
}

/** A labelled field, with a hint below it. */
export function field(label: string, input: HTMLElement, hint = ''): HTMLElement {
  input.id ||= fresh('field');
  const about = hint === '' ? null : el('p', { class: 'hint', id: `${input.id}-hint` }, hint);
  if (about) input.setAttribute('aria-describedby', about.id);
  return el('div', { class: 'field' }, el('label', { for: input.id }, label), input, about);
}

export function check(label: string, isChecked: boolean, hint = ''): { element: HTMLElement; input: HTMLInputElement } {
  const input = el('input', { type: 'checkbox', id: fresh('check') });
  input.checked = isChecked;
  const about = hint === '' ? null : el('p', { class: 'hint', id: `${input.id}-hint` }, hint);
  if (about) input.setAttribute('aria-describedby', about.id);
  return { element: el('div', { class: 'check' }, input, el('label', { for: input.id }, label), about), input };
}
