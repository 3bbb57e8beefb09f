/* Times in the browser's own zone; the filter's two times are meant in that zone as well. */
(function () {
  "use strict";

  var pad = function (number) { return String(number).padStart(2, "0"); };
  var zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

  var local = function (root) {
    root.querySelectorAll("time[data-local]").forEach(function (element) {
      var moment = new Date(element.getAttribute("datetime"));
      if (isNaN(moment)) { return; }
      var seconds = element.dataset.local === "day" ? "" : ":" + pad(moment.getSeconds());
      element.textContent = moment.getFullYear() + "-" + pad(moment.getMonth() + 1) + "-" + pad(moment.getDate()) +
        " " + pad(moment.getHours()) + ":" + pad(moment.getMinutes()) + seconds;
    });
  };
  local(document);
  window.auditLocalTimes = local;  // for rows that come later (follow.js)

  document.querySelectorAll("form[data-audit-filters]").forEach(function (form) {
    var named = form.elements.namedItem("tz");
    var range = form.elements.namedItem("range");
    var moments = [form.elements.namedItem("since"), form.elements.namedItem("until")];
    if (!named || !range) { return; }
    // Times that came with a link keep the zone that the link named.
    var given = moments.some(function (field) { return field.value; });
    if (!given || !named.value) { named.value = given ? "UTC" : zone; }
    form.querySelectorAll("[data-zone]").forEach(function (label) { label.textContent = "(" + named.value + ")"; });
    var toggle = function () {
      moments.forEach(function (field) {
        field.closest("[data-field]").hidden = range.value !== "custom" && !field.value;
      });
    };
    range.addEventListener("change", function () {
      if (range.value !== "custom") { moments.forEach(function (field) { field.value = ""; }); }
      toggle();
    });
    toggle();
    // An address with ten empty parameters is hard to read and to share.
    form.addEventListener("submit", function () {
      Array.prototype.forEach.call(form.elements, function (field) {
        if (field.name && !field.value) { field.disabled = true; }
      });
      if (!moments.some(function (field) { return field.value; })) { named.disabled = true; }
    });
    window.addEventListener("pageshow", function () {
      Array.prototype.forEach.call(form.elements, function (field) { field.disabled = false; });
    });
  });
})();
