// A page over TLS, HTTP/2 where the client can, to prove the browser with: its cookies, its WebSockets.
//
//   node tls.mjs PORT CERTIFICATE KEY
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { WebSocket, WebSocketServer } from 'ws';

const [port, cert, key] = process.argv.slice(2);

const COOKIES = [
  'lax=1; SameSite=Lax',
  'none=1; Secure; SameSite=None',
  '__Host-parted=1; Path=/; Secure; SameSite=None; Partitioned',
];

const PAGE = `<!doctype html>
<html lang="en">
  <title>tls</title>
  <link rel="icon" href="data:,">
  <p id="text">untouched</p>
  <p id="cookies"></p>
  <p id="echoed"></p>
  <script type="module">
    document.getElementById('cookies').textContent = await (await fetch('/cookies')).text();
    const socket = new WebSocket('wss://' + location.host + '/ws?x="y"');
    socket.onopen = () => socket.send('hello');
    socket.onmessage = (event) => {
      document.getElementById('echoed').textContent = event.data;
      document.documentElement.dataset.hydrated = 'yes';
    };
  </script>
</html>`;

const options = {
  allowHTTP1: true,
  cert: readFileSync(cert),
  key: readFileSync(key),
  settings: { enableConnectProtocol: true },
};
const server = createSecureServer(options, (request, response) => {
  if (request.url === '/cookies') return response.end(request.headers.cookie ?? '');
  response.setHeader('set-cookie', COOKIES);
  response.setHeader('content-type', 'text/html');
  response.end(PAGE);
});

const echo = (socket) => socket.on('message', (data, binary) => socket.send(data, { binary }));

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, echo));
server.on('connect', () => {});
server.on('stream', (stream, headers) => {
  if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') return;
  stream.respond({ ':status': 200 });
  const socket = new WebSocket(null, undefined, {});
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1024 * 1024, skipUTF8Validation: false });
  echo(socket);
});

server.listen(Number(port), '127.0.0.1', () => console.log(`listening on port ${port}`));
