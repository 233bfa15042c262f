import text from './text.js';

document.body.innerHTML = `<main>
  <h1>webpack-dev-server</h1>
  <p id="text"></p>
  <button id="count">count 0</button>
</main>`;

const show = () => {
  document.getElementById('text').textContent = text;
};

let count = 0;
const button = document.getElementById('count');
button.addEventListener('click', () => {
  count += 1;
  button.textContent = `count ${count}`;
});

show();
document.documentElement.dataset.hydrated = 'yes';
module.hot.accept('./text.js', show);
