// An app to prove an edge with: what goes through it comes back, at the pace that a test sets.
//
//   node server.mjs PORT [ADDRESS]
//
//   GET  /                      a small page
//   any  /echo                  what arrived: request line, headers, body length and digest
//   GET  /sse                   one event at once, one more for each POST /tick
//   GET  /ws                    sends each message back; the text close:CODE:REASON closes
//   any  /stream-up[?hold]      reads an upload to its end; with `hold`, not before POST /tick
//   GET  /big?mb=N              N MiB, no faster than they are taken
//   any  /slow[?ms=N]           answers after N ms, or after POST /tick
//   any  /redirect?to=URL[&status=N]
//   any  /status?code=N
//   any  /headers?NAME=VALUE…   answers with these headers, as often as they are given
//   any  /set-cookie?c=COOKIE…  answers with these cookies
//   any  /give?type=T&body=B    answers with this content
//   any  /drop                  closes the connection without an answer
//   POST /tick                  lets go of what waits, and says how many that were
//   GET  /seen                  how much went through so far, and each request but these two
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const [port, address = '127.0.0.1'] = process.argv.slice(2);
const MIB = Buffer.alloc(1024 * 1024, 'preview ');

const seen = { uploaded: 0, downloaded: 0, requests: [], sockets: 0 };
const streams = new Set();
let waiting = [];
let ticks = 0;

const tick = () => new Promise((resolve) => waiting.push(resolve));

const json = (response, value, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

const consume = async (request) => {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    seen.uploaded += chunk.length;
    digest.update(chunk);
  }
  return { bytes, sha256: digest.digest('hex') };
};

const pairs = (raw) => raw.flatMap((name, i) => (i % 2 ? [] : [[name, raw[i + 1]]]));

const describe = (request) => ({
  method: request.method,
  url: request.url,
  version: request.httpVersion,
  headers: pairs(request.rawHeaders),
  remote_port: request.socket.remotePort,
});

const routes = {
  '/': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><html lang="en"><title>echo</title><link rel="icon" href="data:,"><h1>echo</h1><p id="text">untouched</p></html>');
  },
  '/echo': async (request, response) => json(response, { ...describe(request), body: await consume(request) }),
  '/sse': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('data: first\n\n');
    streams.add(response);
    response.on('close', () => streams.delete(response));
  },
  '/stream-up': async (request, response, query) => {
    if (query.has('hold')) await tick();
    json(response, await consume(request));
  },
  '/big': async (request, response, query) => {
    const count = Number(query.get('mb') ?? 1);
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': count * MIB.length });
    for (let i = 0; i < count && !response.destroyed; i += 1) {
      const flushed = response.write(MIB);
      seen.downloaded += MIB.length;
      if (!flushed) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    }
    response.end();
  },
  '/slow': async (request, response, query) => {
    await (query.has('ms') ? new Promise((resolve) => setTimeout(resolve, Number(query.get('ms')))) : tick());
    json(response, { slow: true });
  },
  '/redirect': (request, response, query) => {
    response.writeHead(Number(query.get('status') ?? 302), { location: query.get('to') });
    response.end();
  },
  '/status': (request, response, query) => json(response, {}, Number(query.get('code'))),
  '/headers': (request, response, query) => {
    for (const [name, value] of query) response.appendHeader(name, value);
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><html lang="en"><title>headers</title><link rel="icon" href="data:,"><p id="text">untouched</p></html>');
  },
  '/set-cookie': (request, response, query) => {
    response.setHeader('set-cookie', query.getAll('c'));
    json(response, { set: query.getAll('c') });
  },
  '/give': (request, response, query) => {
    response.writeHead(200, { 'content-type': query.get('type') });
    response.end(query.get('body'));
  },
  '/drop': (request) => request.socket.destroy(),
  '/tick': (request, response) => {
    ticks += 1;
    const released = waiting.length + streams.size;
    waiting.forEach((go) => go());
    waiting = [];
    streams.forEach((stream) => stream.write(`id: ${ticks}\ndata: tick ${ticks}\n\n`));
    json(response, { released });
  },
  '/seen': (request, response) => json(response, { ...seen, waiting: waiting.length, streams: streams.size }),
};

const server = createServer({ requestTimeout: 0 }, async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (!['/tick', '/seen'].includes(pathname)) seen.requests.push(describe(request));
  const route = routes[pathname];
  if (!route) return json(response, { no: pathname }, 404);
  try {
    await route(request, response, searchParams);
  } catch {
    response.destroy(); // The client went away in the middle.
  }
});

const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * MIB.length, perMessageDeflate: true });
server.on('upgrade', (request, socket, head) => {
  seen.requests.push(describe(request));
  if (new URL(request.url, 'http://localhost').pathname !== '/ws') return socket.destroy();
  sockets.handleUpgrade(request, socket, head, (client) => {
    seen.sockets += 1;
    client.on('close', () => (seen.sockets -= 1));
    client.on('error', () => client.terminate());
    client.on('message', (data, isBinary) => {
      const close = isBinary ? null : /^close:(\d+):(.*)$/.exec(data.toString());
      if (close) client.close(Number(close[1]), close[2]);
      else client.send(data, { binary: isBinary });
    });
  });
});

server.listen(Number(port), address, () => console.log(`listening on ${address} port ${port}`));
