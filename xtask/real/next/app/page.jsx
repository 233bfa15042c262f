import { finish } from './actions.js';
import Mark from './mark.jsx';

export default function Page() {
  return (
    <main>
      <h1>Next</h1>
      <Mark />
      <form action={finish}>
        <input name="word" defaultValue="hello" aria-label="word" />
        <button id="send">send</button>
      </form>
    </main>
  );
}
