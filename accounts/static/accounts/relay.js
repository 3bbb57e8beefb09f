// Sends the form that carries a message on; without scripts its button does.
(() => {
  "use strict";

  const form = document.querySelector("[data-sends-itself]");
  if (form) form.submit();
})();
