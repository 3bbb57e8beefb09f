// The dialog with a new secret: opens it, copies from it, and leaves nothing behind in the page.
(() => {
  "use strict";
  const dialog = document.querySelector("[data-secret]");
  if (!dialog) return;

  // `open` without scripts; with them as a modal dialog, which Escape does not close by accident.
  dialog.close();
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => event.preventDefault());

  const say = (id, text) => {
    dialog.querySelector(`[data-said="${id}"]`).textContent = text;
  };

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

  dialog.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const id = button.dataset.copy;
    const field = document.getElementById(id);
    const done = await copy(field).catch(() => false);
    if (!done) select(field);
    for (const other of dialog.querySelectorAll("[data-said]")) other.textContent = "";
    say(id, done ? "Copied" : "Selected: press Ctrl+C or ⌘C");
  });

  for (const field of dialog.querySelectorAll("input, textarea")) {
    field.addEventListener("focus", () => field.select());
  }

  // The page that shows the key replaces this one, so that "Back" does not lead to a form sent twice.
  dialog.querySelector("[data-done]").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.location.replace(event.currentTarget.href);
  });

  // A browser may keep a page as it was left, for "Back": it is left empty.
  window.addEventListener("pagehide", () => {
    for (const field of dialog.querySelectorAll("input, textarea")) {
      field.value = field.defaultValue = "";
      field.removeAttribute("value");
    }
    if (dialog.open) dialog.close();
    document.querySelector("[data-gone]").hidden = false;
  });
})();
