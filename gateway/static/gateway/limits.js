/* Asks only for what the chosen kind of limit needs. */
(function () {
  "use strict";

  var kind = document.getElementById("id_subject_kind");
  if (!kind) { return; }

  function show() {
    document.querySelectorAll("[data-limit-of]").forEach(function (input) {
      input.closest(".gh-field").hidden = input.dataset.limitOf !== kind.value;
    });
  }

  kind.addEventListener("change", show);
  show();
})();
