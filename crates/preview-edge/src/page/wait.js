(function () {
  // Slower while nobody looks; the server may take a minute, and a forgotten tab a day.
  function again() { setTimeout(look, document.hidden ? 5000 : 1000); }
  function look() {
    fetch(location.href, { cache: "no-store", redirect: "manual" }).then(function (answer) {
      if (answer.status === 503 && answer.headers.has("preview-waiting")) { again(); } else { location.reload(); }
    }, again);
  }
  again();
})();
