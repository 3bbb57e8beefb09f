// The theme chosen in a console counts here too; otherwise the system's.
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("adminTheme") || '"auto"');
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // No storage: the system's theme.
  }
})();
