import { useEffect, useState } from 'react';

export default function App() {
  const [count, setCount] = useState(0);
  useEffect(() => {
    document.documentElement.dataset.hydrated = 'yes';
  }, []);
  return (
    <main>
      <h1>Vite and React</h1>
      <p id="text">untouched</p>
      <button id="count" onClick={() => setCount((n) => n + 1)}>
        count {count}
      </button>
    </main>
  );
}
