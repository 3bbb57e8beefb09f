// Narrows a long list of ways to sign in while somebody types a part of a name.
(() => {
  for (const list of document.querySelectorAll(".ways.many")) {
    const field = document.getElementById("ways-filter");
    if (!field) return;
    field.hidden = false;
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const way of list.querySelectorAll("a")) way.hidden = !way.textContent.toLowerCase().includes(wanted);
    });
  }
})();
