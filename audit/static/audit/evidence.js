/* Evidence exports: how far one has come, asked for every two seconds while the page is seen; the form's own two days. */
(function () {
  "use strict";

  var EVERY = 2000;

  var form = document.querySelector("[data-evidence-form]");
  if (form) {
    var period = form.elements.namedItem("period");
    var days = [form.elements.namedItem("first"), form.elements.namedItem("last")];
    var toggle = function () {
      days.forEach(function (field) { field.closest(".gh-field").hidden = period.value !== "custom"; });
    };
    period.addEventListener("change", toggle);
    toggle();
  }

  var box = document.querySelector("[data-evidence-progress]");
  if (!box) { return; }
  var bar = box.querySelector("progress");
  var said = box.querySelector("[data-evidence-said]");
  var number = function (value) { return value.toLocaleString("en"); };
  var timer = 0;

  function show(told) {
    if (told.state !== "running") { window.location.reload(); return; }
    bar.value = told.percent;
    if (told.total && told.done >= told.total) { said.textContent = "All events are read; the file is put together."; return; }
    if (told.total) { said.textContent = number(told.done) + " of " + number(told.total) + " events read, " + told.percent + " %"; }
  }

  function later() {
    clearTimeout(timer);
    if (!document.hidden) { timer = setTimeout(ask, EVERY); }
  }

  function ask() {
    fetch(box.dataset.evidenceProgress, { headers: { Accept: "application/json" } })
      .then(function (response) {
        if (response.ok && !response.redirected) { return response.json().then(show); }
        window.location.reload();
      })
      .catch(function () { said.textContent = "No connection; trying again."; })
      .then(later);
  }

  document.addEventListener("visibilitychange", function () { if (!document.hidden) { ask(); } else { clearTimeout(timer); } });
  later();
})();
