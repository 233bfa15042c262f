// Says one word over a WebSocket and waits: prints what came back, then how the connection ended.
//
//   node ws-client.mjs URL [--http2] [--cookie COOKIE] [--map HOST:ADDRESS]
//
// With --http2 the socket is opened by extended CONNECT (RFC 8441), else by Upgrade. No certificate is looked at.
import { connect } from 'node:http2';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { http2: { type: 'boolean' }, cookie: { type: 'string' }, map: { type: 'string' } },
});
const url = new URL(positionals[0]);
const secure = url.protocol === 'wss:';
const origin = `${secure ? 'https' : 'http'}://${url.host}`;
const headers = values.cookie ? { cookie: values.cookie } : {};
const address = values.map ?? url.hostname;

if (values.http2) {
  // RFC 6455 §5.2: one final text frame, masked with zeros.
  const frame = (text) => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
  const session = connect(origin, {
    host: address, servername: url.hostname, rejectUnauthorized: false, settings: { enableConnectProtocol: true },
  });
  session.on('error', (error) => console.log(`failed ${error.message}`));
  session.on('remoteSettings', () => {
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':path': url.pathname + url.search,
      'sec-websocket-version': '13', origin, ...headers,
    });
    stream.on('response', (response) => {
      if (response[':status'] !== 200) return console.log(`refused ${response[':status']}`);
      stream.write(frame('hello'));
    });
    stream.on('data', (data) => data[0] === 0x81 && console.log(`echoed ${data.subarray(2)}`));
    stream.on('error', () => {});
    stream.on('close', () => (console.log('closed'), session.destroy()));
  });
} else {
  const socket = new WebSocket(url, { headers, origin, rejectUnauthorized: false, lookup: (_, options, done) =>
    options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4) });
  socket.on('open', () => socket.send('hello'));
  socket.on('message', (data) => console.log(`echoed ${data}`));
  socket.on('unexpected-response', (_, response) => (console.log(`refused ${response.statusCode}`), process.exit()));
  socket.on('error', (error) => console.log(`failed ${error.message}`));
  socket.on('close', () => console.log('closed'));
}
