// Opens an address and tells what is to be seen there.
import { main, protocol, withBrowser } from './page.mjs';

main((task) =>
  withBrowser(task, async (visit) => {
    const { page, context, record } = visit;
    const response = await visit.go(task.url);
    const { frame } = visit;
    if (task.wait_for) await frame.locator(task.wait_for).first().waitFor();
    const storage = await frame
      .evaluate(() => ({ ...localStorage }))
      .catch((error) => ({ error: `${error.message}`.split('\n')[0] }));
    return {
      status: response?.status() ?? null,
      headers: response?.headers() ?? {},
      url: frame.url(),
      title: await frame.title(),
      text: await frame.locator('body').innerText(),
      protocol: await protocol(frame),
      storage,
      cookies: await context.cookies(),
      value: task.evaluate ? await frame.evaluate(task.evaluate) : null,
      pages: context.pages().length,
      record,
      parent: frame === page.mainFrame() ? null : page.url(),
    };
  }),
);
