// Tabs of one profile that do what they are told, line by line, for tests in which something happens between two looks.
import { hear, main, protocol, say, withBrowser } from './page.mjs';

// Each takes its argument and answers with what the caller is told.
const commands = {
  go: async (visit, url) => (await visit.go(url))?.status() ?? null,
  alone: async (visit, url) => (await visit.goAlone(url))?.status() ?? null,
  reload: async (visit) => {
    const isEmbedded = visit.frame !== visit.page.mainFrame();
    const response = await visit.page.reload({ waitUntil: 'domcontentloaded' });
    if (isEmbedded) visit.frame = await (await visit.page.waitForSelector('#preview')).contentFrame();
    return response?.status() ?? null;
  },
  // A text anywhere in the page, now or once it comes, also after the page has been loaded anew.
  see: (visit, text) => visit.frame.locator('body', { hasText: text }).waitFor(),
  text: (visit) => visit.frame.locator('body').innerText(),
  click: (visit, selector) => visit.frame.locator(selector).click(),
  // Clicks what opens a tab, and goes on there; `leave` closes it and goes back.
  follow: async (visit, selector) => {
    const opened = visit.context.waitForEvent('page');
    opened.catch(() => {});
    await visit.frame.locator(selector).click();
    const { page: before, frame } = visit;
    const page = await opened;
    Object.assign(visit, { page, frame: page.mainFrame(), before: { page: before, frame, before: visit.before } });
  },
  leave: async (visit) => {
    await visit.page.close();
    Object.assign(visit, visit.before);
  },
  fill: (visit, [selector, value]) => visit.frame.locator(selector).fill(value),
  evaluate: (visit, expression) => visit.frame.evaluate(expression),
  url: (visit) => visit.frame.url(),
  title: (visit) => visit.frame.title(),
  protocol: (visit) => protocol(visit.frame),
  // What the browser itself makes of the page's web app manifest, fetched by it as it always is.
  manifest: async (visit) => (await visit.context.newCDPSession(visit.page)).send('Page.getAppManifest'),
  cookies: (visit) => visit.context.cookies(),
  record: (visit) => visit.record,
  screenshot: (visit, path) => visit.page.screenshot({ path }).then(() => null),
};

main((task) =>
  withBrowser(task, async (visit) => {
    const tabs = [visit];
    let current = visit;
    for (;;) {
      const [command, argument] = await hear();
      if (command === 'close') return visit.record;
      if (command === 'another') tabs.push(await visit.another());
      if (command === 'another' || command === 'turn') {
        current = tabs[argument ?? tabs.length - 1];
        await current.page.bringToFront();
        say({ answer: tabs.indexOf(current) });
      } else {
        say({ answer: (await commands[command](current, argument)) ?? null });
      }
    }
  }),
);
