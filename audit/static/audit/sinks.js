/* Asks how a sink stands while that changes, and whether somebody is sure. */
(function () {
  "use strict";

  var LASTS = 30 * 60 * 1000;  // a page that was forgotten asks no more
  var began = Date.now();
  var timer = 0;

  function box() { return document.querySelector("[data-sink-state]"); }

  function later() {
    clearTimeout(timer);
    var shown = box();
    if (!shown || !shown.hasAttribute("data-moving") || document.hidden || Date.now() - began > LASTS) { return; }
    timer = setTimeout(ask, Number(shown.dataset.every) * 1000);
  }

  function ask() {
    fetch(box().dataset.url, { credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok || answer.redirected) { throw new Error(answer.status); }
      return answer.text();
    }).then(function (text) {
      var holder = document.createElement("div");
      holder.innerHTML = text;
      var fresh = holder.querySelector("[data-sink-state]");
      if (!fresh) { return; }
      if (window.auditLocalTimes) { window.auditLocalTimes(fresh); }
      box().replaceWith(fresh);
      later();
    }).catch(function () { /* signed out, or the server is away: the page stays as it is */ });
  }

  document.addEventListener("visibilitychange", later);
  later();

  document.querySelectorAll("[data-sure]").forEach(function (button) {
    button.addEventListener("click", function (event) {
      if (!window.confirm(button.dataset.sure)) { event.preventDefault(); }
    });
  });
})();
