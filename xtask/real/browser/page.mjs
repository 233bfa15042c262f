// A real Chromium, and all that a test wants to know of what happens in it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

// Without these Chromium asks the world at each start, and as root does not start at all.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// As Chromium's preferences number them.
const COOKIE_CONTROLS = { allow: 0, block: 1 };

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next line of the caller, as JSON. */
export const hear = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('the caller is gone');
  return JSON.parse(value);
};

/** A line to the caller. */
export const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Runs a script: the caller's first line is its task, what it returns or throws is its last word. */
export const main = async (script) => {
  let last;
  try {
    last = { result: await script(await hear()) };
  } catch (error) {
    last = { error: `${error.stack ?? error}`, record: error.record };
  }
  process.stdout.write(`${JSON.stringify(last)}\n`, () => process.exit(0));
};

/**
 * Runs `use(visit)` in a fresh profile. `visit` has the `page`, the `frame` that shows the preview once
 * `visit.go(url)` was called, and the `record`. `visit.goAlone(url)` shows it in the tab itself, wherever `go` would;
 * `visit.another()` is a visit in a further tab of the same profile.
 *
 * Options: `hosts` (rules as `--host-resolver-rules` has them), `cookies` (of third parties: `block`, as
 * Debian's Chromium does, or `allow`), `authority` (a PEM file to trust), `ignore_certificates`, `http1`,
 * `frame` (`{parent, cert, key}`: the address of a page on another site, served here, that embeds the
 * preview; https when it has a certificate), `screenshot` (a file), `patience_ms`.
 */
export const withBrowser = async (options, use) => {
  const home = mkdtempSync(resolve('home-'));
  const netLog = join(home, 'net-log.json');
  const parent = options.frame && (await serveParent(options.frame));
  let context;
  const record = newRecord();
  try {
    prepare(home, options);
    context = await chromium.launchPersistentContext(join(home, 'profile'), {
      executablePath: '/usr/bin/chromium',
      headless: true,
      args: [...FLAGS, `--log-net-log=${netLog}`, ...flags(options)],
      env: { ...process.env, HOME: home },
      ignoreHTTPSErrors: options.ignore_certificates ?? false,
      ignoreDefaultArgs: ['--disable-features'],
    });
    context.setDefaultTimeout(options.patience_ms ?? 60_000);
    const page = context.pages()[0] ?? (await context.newPage());
    const visitIn = (page) => {
      listen(page, record);
      const visit = { page, frame: page.mainFrame(), record, context };
      visit.go = (url) => go(visit, url, parent);
      visit.goAlone = (url) => go(visit, url);
      visit.another = async () => visitIn(await context.newPage());
      return visit;
    };
    const result = await use(visitIn(page)).finally(
      () => options.screenshot && page.screenshot({ path: options.screenshot }).catch(() => {}),
    );
    await context.close();
    tellHowSocketsOpened(record, readFileSync(netLog, 'utf8'));
    return result;
  } catch (error) {
    error.record = record;
    throw error;
  } finally {
    await context?.close();
    parent?.server.close();
    rmSync(home, { recursive: true, force: true });
  }
};

/** What the document in the frame says of how it came. */
export const protocol = (frame) =>
  frame.evaluate(() => performance.getEntriesByType('navigation')[0]?.nextHopProtocol ?? null);

const flags = ({ hosts = [], frame, http1 }) => {
  const rules = [...hosts];
  if (frame) rules.push(`MAP ${new URL(frame.parent).hostname} 127.0.0.1`);
  return [...(rules.length ? [`--host-resolver-rules=${rules.join(',')}`] : []), ...(http1 ? ['--disable-http2'] : [])];
};

const prepare = (home, { cookies = 'block', authority }) => {
  const profile = join(home, 'profile/Default');
  mkdirSync(profile, { recursive: true });
  const preferences = { profile: { cookie_controls_mode: COOKIE_CONTROLS[cookies] } };
  writeFileSync(join(profile, 'Preferences'), JSON.stringify(preferences));
  if (!authority) return;
  // Chromium trusts what this database in its home says, beside its own list.
  const database = join(home, '.pki/nssdb');
  mkdirSync(database, { recursive: true });
  const certutil = (...words) => execFileSync('certutil', ['-d', `sql:${database}`, ...words], { stdio: 'pipe' });
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'authority', '-t', 'C,,', '-i', authority);
};

const serveParent = async ({ parent, cert, key }) => {
  const state = { embedded: 'about:blank' };
  const answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><html lang="en"><title>parent</title><style>body { margin: 8px }</style>
      <h1>A page on another site</h1>
      <iframe id="preview" title="preview" width="1200" height="560" src="${state.embedded}"></iframe></html>`);
  };
  const tls = cert && { cert: readFileSync(cert), key: readFileSync(key) };
  state.server = tls ? createHttps(tls, answer) : createHttp(answer);
  await new Promise((listening) => state.server.listen(0, '127.0.0.1', listening));
  state.url = new URL(parent);
  state.url.port = state.server.address().port;
  return state;
};

const go = async (visit, url, parent) => {
  const { page } = visit;
  if (!parent) {
    const response = await page.goto(url, { waitUntil: 'domcontentloaded' });
    visit.frame = page.mainFrame();
    return response;
  }
  parent.embedded = url.replaceAll('&', '&amp;');
  const { host } = new URL(url);
  const isPreview = (response) =>
    response.request().isNavigationRequest() &&
    new URL(response.url()).host === host &&
    !(response.status() >= 300 && response.status() < 400);
  const response = page.waitForResponse(isPreview);
  response.catch(() => {});
  await page.goto(parent.url.href, { waitUntil: 'domcontentloaded' });
  const element = await page.waitForSelector('#preview');
  visit.frame = await element.contentFrame();
  return response;
};

// Chromium's own log of the network is the only place that tells how a WebSocket was opened.
const tellHowSocketsOpened = (record, log) => {
  const events = log.split('\n').filter((line) => line.includes('":protocol: websocket"'));
  const opened = events.map((line) => {
    const headers = JSON.parse(line.replace(/[\],\s]+$/, '')).params.headers.map((header) => /^(:?[^:]+): (.*)$/.exec(header));
    const value = (name) => headers.find((header) => header?.[1] === name)[2];
    return `wss://${value(':authority')}${value(':path')}`;
  });
  for (const socket of record.sockets) socket.extended_connect = opened.includes(socket.url);
};

const newRecord = () => ({ sockets: [], console: [], errors: [], failed: [], refused: [], posts: [], navigations: [] });

const listen = (page, record) => {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) record.console.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => record.errors.push(`${error}`));
  page.on('requestfailed', (request) => record.failed.push(`${request.failure()?.errorText} ${request.url()}`));
  page.on('response', async (response) => {
    if (response.status() >= 400) record.refused.push(`${response.status()} ${response.url()}`);
    if (response.request().method() !== 'POST') return;
    record.posts.push({ url: response.url(), status: response.status(), headers: response.headers() });
  });
  page.on('framenavigated', (frame) => record.navigations.push(frame.url()));
  page.on('websocket', (socket) => {
    const entry = { url: socket.url(), sent: 0, received: 0, closed: false, error: null };
    record.sockets.push(entry);
    socket.on('framesent', () => (entry.sent += 1));
    socket.on('framereceived', () => (entry.received += 1));
    socket.on('socketerror', (error) => (entry.error = error));
    socket.on('close', () => (entry.closed = true));
  });
};
