// The security levels that this application knows, and what it asks for them.

/** May sign in, and change the license. */
export const ADMIN = 'Authenticated/Platform/Admin';
/** May sign in, and change API keys. */
export const WRITE = 'Authenticated/Gateway/Write';
export const READ = 'Authenticated/Gateway/Read';

export const SIGN_IN = { any: [ADMIN, WRITE] };

/** What can be granted, as the form for keys shows it. */
export const TREE = [
  {
    level: 'Authenticated',
    about: 'Every key holds it',
    children: [
      {
        level: 'Authenticated/Gateway',
        about: 'The HTTP API',
        children: [
          { level: READ, about: 'Read resources and modes', children: [] },
          { level: WRITE, about: 'Change them, and API keys', children: [] },
        ],
      },
      {
        level: 'Authenticated/Platform',
        about: 'These pages',
        children: [{ level: ADMIN, about: 'Licensing', children: [] }],
      },
      {
        level: 'Authenticated/Projects',
        about: 'Levels of your own',
        children: [
          { level: 'Authenticated/Projects/Line-1', about: 'The first line', children: [] },
          { level: 'Authenticated/Projects/Line-2', about: 'The second line', children: [] },
        ],
      },
    ],
  },
];
