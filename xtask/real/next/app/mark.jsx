'use client';

import { useEffect, useState } from 'react';

export default function Mark() {
  const [count, setCount] = useState(0);
  useEffect(() => {
    document.documentElement.dataset.hydrated = 'yes';
  }, []);
  return (
    <>
      <p id="text">untouched</p>
      <button id="count" onClick={() => setCount((n) => n + 1)}>
        count {count}
      </button>
    </>
  );
}
