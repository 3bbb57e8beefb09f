/* Suggests how a text may go on: a combobox with a list (WAI-ARIA authoring practices). Without it one types it out. */
(function () {
  "use strict";

  document.querySelectorAll("[data-suggest]").forEach(function (box) {
    var input = box.querySelector("input");
    var list = box.querySelector("[role=listbox]");
    var said = box.querySelector("[data-options-said]");
    var address = box.dataset.suggest;
    var options = [], from = 0, active = -1, timer = 0, asked = 0;

    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", list.id);

    function close() {
      asked += 1;
      options = [];
      active = -1;
      list.hidden = true;
      list.replaceChildren();
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function mark(index) {
      active = index;
      Array.prototype.forEach.call(list.children, function (item, number) {
        item.setAttribute("aria-selected", number === index ? "true" : "false");
        if (number === index) { item.scrollIntoView({ block: "nearest" }); }
      });
      if (index < 0) { input.removeAttribute("aria-activedescendant"); } else { input.setAttribute("aria-activedescendant", list.children[index].id); }
    }

    function take(index) {
      var option = options[index];
      var rest = input.value.slice(input.selectionStart).replace(/^[^\s]*\s?/, "");
      var before = input.value.slice(0, from) + option.text;
      input.value = before + rest;
      input.setSelectionRange(before.length, before.length);
      input.focus();
      close();
      if (option.text.slice(-1) !== " ") { ask(); }
    }

    function show(answer) {
      options = answer.options;
      from = answer.from;
      active = -1;
      list.replaceChildren.apply(list, options.map(function (option, index) {
        var item = document.createElement("li");
        item.id = list.id + "-" + index;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        var label = document.createElement("span");
        label.textContent = option.label;
        item.append(label);
        if (option.help) {
          var help = document.createElement("small");
          help.textContent = option.help;
          item.append(help);
        }
        // Before the field loses the focus.
        item.addEventListener("mousedown", function (event) { event.preventDefault(); take(index); });
        return item;
      }));
      list.hidden = !options.length;
      input.setAttribute("aria-expanded", options.length ? "true" : "false");
      input.removeAttribute("aria-activedescendant");
      said.textContent = options.length ? options.length + " suggestions. Use the arrow keys." : "";
    }

    function ask() {
      var mine = asked += 1;
      var typed = input.value.slice(0, input.selectionStart);
      fetch(address + "?" + new URLSearchParams({ typed: typed }), { headers: { Accept: "application/json" } })
        .then(function (response) { return response.ok ? response.json() : { from: 0, options: [] }; })
        .then(function (answer) { if (mine === asked && document.activeElement === input) { show(answer); } })
        .catch(function () { if (mine === asked) { close(); } });
    }

    input.addEventListener("input", function () {
      clearTimeout(timer);
      timer = setTimeout(ask, 120);
    });
    input.addEventListener("blur", function () { clearTimeout(timer); close(); });
    input.addEventListener("keydown", function (event) {
      if (event.key === "ArrowDown" && list.hidden) {
        event.preventDefault();
        ask();
      } else if (list.hidden) {
        if (event.key === "Enter") { clearTimeout(timer); close(); }
      } else if (event.key === "ArrowDown") {
        event.preventDefault();
        mark(active + 1 < options.length ? active + 1 : 0);
      } else if (event.key === "ArrowUp") {
        event.preventDefault();
        mark(active > 0 ? active - 1 : options.length - 1);
      } else if ((event.key === "Enter" || event.key === "Tab") && active >= 0) {
        event.preventDefault();
        take(active);
      } else if (event.key === "Escape") {
        event.preventDefault();  // the browser would empty the field
        close();
      }
    });
  });
})();
