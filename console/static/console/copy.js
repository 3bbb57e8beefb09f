// Copies from the read-only fields of console/includes/copy_field.html.
(() => {
  "use strict";

  const select = (field) => {
    field.focus();
    field.select();
    field.setSelectionRange(0, field.value.length);
  };

  // Without the permission, or on an address without TLS, there is no clipboard: the old command, then the hand.
  const copy = async (field) => {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      select(field);
      return document.execCommand("copy");
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const id = button.dataset.copy;
    const field = document.getElementById(id);
    const done = await copy(field).catch(() => false);
    if (!done) select(field);
    for (const said of document.querySelectorAll("[data-said]")) {
      const text = done ? "Copied" : "Selected: press Ctrl+C or ⌘C";
      said.textContent = said.dataset.said === id ? text : "";
    }
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".gh-copy-value")) event.target.select();
  });
})();
