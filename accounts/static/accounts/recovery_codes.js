// Downloads and prints what stands in a field; copying is console/copy.js.
(() => {
  "use strict";
  for (const hidden of document.querySelectorAll("[data-needs-script]")) hidden.hidden = false;

  document.addEventListener("click", (event) => {
    const save = event.target.closest("[data-save]");
    if (save) {
      const text = `${document.getElementById(save.dataset.save).value}\n`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      link.download = save.dataset.name;
      link.click();
      URL.revokeObjectURL(link.href);
    }
    if (event.target.closest("[data-print]")) window.print();
  });
})();
