'use strict';

// As much of an HTTP/1.1 client as the tests need: header lines are sent as they are said.

const net = require('node:net');

/** Everything that a server has answered, for looking through it afterwards. */
const transcript = [];

/**
 * Sends a request on a connection of its own: `ask(port, 'GET /read', ['X-Some: header'])`.
 *
 * @param {number} port
 * @param {string} request method and path
 * @param {string[]} [lines] header lines, sent in latin-1
 * @param {string} [body]
 * @returns {Promise<{status: number, header: (name: string) => string | undefined, text: string, json: any}>}
 */
async function ask(port, request, lines = [], body = '') {
  const length = body === '' && request.startsWith('GET') ? [] : [`Content-Length: ${body.length}`];
  const head = [`${request} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...length, ...lines, '', ''];
  return parse(await exchange(port, head.join('\r\n') + body));
}

/** Sends bytes and returns what comes until the server closes the connection, or all of `until` has come. */
function exchange(port, bytes, until) {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.setEncoding('latin1');
    socket.on('data', (piece) => {
      text += piece;
      if (until?.test(text)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      transcript.push(text);
      resolve(text);
    });
  });
}

function parse(answer) {
  const end = answer.indexOf('\r\n\r\n');
  const [first, ...lines] = answer.slice(0, end).split('\r\n');
  const headers = lines.map((line) => line.split(/:\s*(.*)/, 2));
  const header = (name) => headers.find(([known]) => known.toLowerCase() === name)?.[1];
  let text = answer.slice(end + 4);
  if (header('transfer-encoding') === 'chunked') text = text.replace(/[0-9a-f]+\r\n([^]*?)\r\n/g, '$1').trim();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: Number(first.split(' ')[1]), header, text, json };
}

const bearer = (credential) => `Authorization: Bearer ${credential}`;
const token = (credential) => `X-Ignition-API-Token: ${credential}`;

module.exports = { ask, bearer, exchange, parse, token, transcript };
