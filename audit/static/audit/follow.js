/* Follows the log: asks for what was committed since, every few seconds, while the page is seen. */
(function () {
  "use strict";

  var LASTS = 30 * 60 * 1000;  // a page that was forgotten asks no more
  var box = document.querySelector("[data-audit-follow]");
  if (!box) { return; }
  var button = box.querySelector("[data-follow-toggle]");
  var said = box.querySelector("[data-follow-said]");
  var news = document.querySelector("[data-follow-new]");
  var place = box.dataset.place;
  var every = Number(box.dataset.every) * 1000;
  var on = false, timer = 0, since = 0, running = false, waiting = [];

  box.hidden = false;

  function body() { return document.querySelector("[data-audit-rows]"); }

  function stop(text) {
    on = false;
    clearTimeout(timer);
    button.textContent = "Follow";
    button.setAttribute("aria-pressed", "false");
    box.classList.remove("audit-following");
    said.textContent = text || "";
  }

  function later() {
    clearTimeout(timer);
    if (!on || document.hidden) { return; }
    if (Date.now() - since > LASTS) { stop("Stopped after half an hour."); return; }
    timer = setTimeout(ask, every);
  }

  function put(row) {
    var rows = body();
    // An event that was committed late belongs below later ones.
    var after = Array.prototype.find.call(rows.children, function (other) { return Number(other.dataset.time) < Number(row.dataset.time); });
    row.classList.add("audit-fresh");
    rows.insertBefore(row, after || null);
  }

  function flush() {
    waiting.splice(0).forEach(put);
    news.hidden = true;
  }

  function known(id) {
    return waiting.some(function (row) { return row.dataset.event === id; }) || body().querySelector('[data-event="' + id + '"]');
  }

  function scrolled() {
    return body().getBoundingClientRect().top < 0;
  }

  function take(answer) {
    place = answer.place;
    if (!answer.count) { return; }
    if (!body()) { window.location.reload(); return; }  // the list was empty: there is no table yet
    var holder = document.createElement("tbody");
    var template = document.createElement("template");
    template.innerHTML = "<table><tbody>" + answer.rows + "</tbody></table>";
    holder.append.apply(holder, template.content.querySelectorAll("tr"));
    if (window.auditLocalTimes) { window.auditLocalTimes(holder); }
    Array.prototype.slice.call(holder.children).forEach(function (row) { if (!known(row.dataset.event)) { waiting.push(row); } });
    if (answer.more) { stop("Too many new events to show: load the page again."); }
    if (!waiting.length) { return; }
    said.textContent = waiting.length + " new event" + (waiting.length === 1 ? "" : "s");
    if (!scrolled()) { flush(); return; }
    news.textContent = waiting.length + " new event" + (waiting.length === 1 ? "" : "s");
    news.hidden = false;
  }

  function ask() {
    if (running) { return; }
    running = true;
    var parameters = new URLSearchParams(box.dataset.url.split("?")[1] || "");
    parameters.set("place", place);
    fetch(box.dataset.url.split("?")[0] + "?" + parameters, { headers: { Accept: "application/json" } })
      .then(function (response) {
        if (response.ok && !response.redirected) { return response.json().then(take); }
        stop("Following ended: load the page again.");
      })
      .catch(function () { if (on) { said.textContent = "No connection; trying again."; } })
      .then(function () { running = false; later(); });
  }

  button.addEventListener("click", function () {
    if (on) { stop("Paused."); return; }
    on = true;
    since = Date.now();
    button.textContent = "Pause";
    button.setAttribute("aria-pressed", "true");
    box.classList.add("audit-following");
    said.textContent = "Following.";
    ask();
  });
  news.addEventListener("click", function () { flush(); window.scrollTo({ top: 0 }); });
  window.addEventListener("scroll", function () { if (waiting.length && body() && !scrolled()) { flush(); } }, { passive: true, capture: true });
  document.addEventListener("visibilitychange", function () {
    if (!on) { return; }
    if (document.hidden) { clearTimeout(timer); } else { ask(); }
  });
})();
