// The dialog with a new secret: opens it, and leaves nothing behind in the page. Copying is copy.js.
(() => {
  "use strict";
  const dialog = document.querySelector("[data-secret]");
  if (!dialog) return;

  // `open` without scripts; with them as a modal dialog, which Escape does not close by accident.
  dialog.close();
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => event.preventDefault());

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
