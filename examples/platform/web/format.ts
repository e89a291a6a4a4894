// Times and numbers, in the words of whoever reads them.

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const NUMBER = new Intl.NumberFormat();

export function date(seconds: number | null): string {
  return seconds === null ? 'Never' : DATE.format(seconds * 1000);
}

export function moment(seconds: number | null): string {
  return seconds === null ? 'Never' : MOMENT.format(seconds * 1000);
}

export function count(number: number): string {
  return NUMBER.format(number);
}
