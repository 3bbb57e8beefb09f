// The form of a key: presets and whole groups of scopes, and a date that chooses its own radio button.
(() => {
  "use strict";
  const ready = () => {
    for (const picker of document.querySelectorAll("[data-scopes]")) scopes(picker);
    for (const radio of document.querySelectorAll("[data-date-choice]")) expiry(radio);
  };

  const scopes = (picker) => {
    const boxes = [...picker.querySelectorAll("input[type=checkbox]:not(:disabled)")];
    const count = picker.querySelector("[data-count]");
    const tell = () => {
      const chosen = picker.querySelectorAll("input[type=checkbox]:checked").length;
      count.textContent = chosen === 1 ? "1 scope chosen" : `${chosen} scopes chosen`;
    };
    picker.querySelector("[data-presets]").hidden = false;
    for (const button of picker.querySelectorAll("[data-all]")) button.hidden = false;
    picker.addEventListener("change", tell);
    picker.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.preset !== undefined) {
        const names = new Set(button.dataset.preset.split(" "));
        for (const box of boxes) box.checked = names.has(box.value);
      } else if (button.dataset.all !== undefined) {
        const own = boxes.filter((box) => button.closest("[data-group]").contains(box));
        const all = !own.every((box) => box.checked);
        for (const box of own) box.checked = all;
      }
      tell();
    });
    tell();
  };

  const expiry = (radio) => {
    const date = radio.closest(".ak-radio").querySelector("input[type=date]");
    date.addEventListener("input", () => {
      radio.checked = true;
    });
    radio.addEventListener("change", () => date.focus());
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
