// Plays the daemon: the real page, with the daemon's headers, and whatever status a test sets.
import {execFileSync} from 'node:child_process';
import http from 'node:http';

const kPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export async function serve(build) {
  const page = execFileSync(`${build}/bin/status_page`, {maxBuffer: 1 << 20});
  const asked = []; // what came, favicons and all
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const headers = {
      'Content-Security-Policy': kPolicy,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
    };
    if (request.url === '/') response.writeHead(200, {...headers, 'Content-Type': 'text/html; charset=utf-8'}).end(page);
    else if (request.url !== '/status.json') response.writeHead(404).end();
    else if (one.answer) one.answer(response);
    else response.writeHead(200, {...headers, 'Content-Type': 'application/json'}).end(JSON.stringify(one.status));
  });
  const listen = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const port = server.address().port;
  const one = {
    url: `http://127.0.0.1:${port}/`,
    status: {},
    answer: undefined,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
    start: () => listen(port),
  };
  return one;
}
