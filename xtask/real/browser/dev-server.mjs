// Visits a dev server as its developer would: sees the page come to life, edits the source, sees the edit.
import { hear, main, protocol, say, withBrowser } from './page.mjs';

// How each server's live-update socket is told from others; those without one are reloaded by hand.
const LIVE = {
  'vite-react': /^wss?:\/\/[^/]+\/\?token=/,
  next: /\/_next\/(webpack-)?hmr/,
  webpack: /\/ws$/,
};

// What a visitor does at the end, and the words of the page after it.
const ACTS = { next: '#done', django: '#done' };

main((task) =>
  withBrowser(task, async (visit) => {
    const { record } = visit;
    const patience = task.patience_ms ?? 60_000;
    const response = await visit.go(task.url);
    // 503 is a preview that waits for its server, and loads anew by itself.
    const refused = response.status() >= 400 && response.status() !== 503;
    if (refused) throw new Error(`${response.status()}: ${await visit.frame.locator('body').innerText()}`);
    await text(visit, task.text);
    await alive(visit);
    const report = { status: response.status(), headers: response.headers(), protocol: await protocol(visit.frame) };

    const live = LIVE[task.server];
    report.live = live ? await socket(record, live, patience) : null;
    report.count = await click(visit.frame);

    await visit.frame.evaluate(() => (window.stayed = true));
    say({ event: 'edit' });
    await hear();
    const edited = performance.now();
    await (live ? text(visit, task.edited) : reloadUntil(visit, task.edited, patience));
    report.edit_ms = Math.round(performance.now() - edited);
    await alive(visit);
    report.reloaded = !(await visit.frame.evaluate(() => window.stayed ?? false));
    report.count_after = await count(visit.frame);

    report.words = await visit.frame.evaluate(() =>
      Object.fromEntries([...document.querySelectorAll('p[id]')].map((p) => [p.id, p.textContent])),
    );
    report.done = await act(visit, ACTS[task.server]);
    report.url = visit.frame.url();
    report.cookies = await visit.context.cookies();
    return { ...report, record };
  }),
);

const text = (visit, wanted) => visit.frame.locator('#text', { hasText: wanted }).waitFor();

// Pages set this once their scripts run.
const alive = (visit) => visit.frame.locator('html[data-hydrated]').waitFor({ state: 'attached' });

const count = async (frame) => {
  const button = frame.locator('#count');
  return (await button.count()) ? Number((await button.textContent()).replace('count ', '')) : null;
};

const click = async (frame) => {
  if (!(await frame.locator('#count').count())) return null;
  await frame.locator('#count').click();
  await frame.locator('#count', { hasText: 'count 1' }).waitFor();
  return count(frame);
};

const socket = async (record, pattern, patience) => {
  const end = performance.now() + patience;
  while (performance.now() < end) {
    const found = record.sockets.find((s) => pattern.test(s.url) && s.received > 0 && !s.closed);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the live-update socket did not connect`);
};

const reloadUntil = async (visit, wanted, patience) => {
  const end = performance.now() + patience;
  while (performance.now() < end) {
    const found = await visit.frame.locator('#text').textContent({ timeout: 10_000 }).catch(() => null);
    if (found === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await visit.frame.goto(visit.frame.url(), { waitUntil: 'domcontentloaded' }).catch(() => {});
  }
  throw new Error('the page never showed the edit');
};

const act = async (visit, outcome) => {
  if (!outcome) return null;
  await visit.frame.locator('#send').click();
  await visit.frame.locator(outcome).waitFor();
  return visit.frame.locator(outcome).textContent();
};
