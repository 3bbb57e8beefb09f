// Narrows a long list of ways to sign in while somebody types a part of a name.
(() => {
  const search = document.getElementById("ways-search");
  const field = document.getElementById("ways-filter");
  if (!search || !field) return;
  search.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const way of document.querySelectorAll(".ways a")) {
      way.hidden = !way.textContent.toLowerCase().includes(wanted);
    }
  });
})();
