// Starts the page. A file of its own, because the content security policy forbids inline scripts.
const theme = (() => {
  try {
    return localStorage.getItem("eigenscope-theme");
  } catch {
    return null;
  }
})();
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

try {
  const { default: init } = await import("./ui.js");
  await init();
} catch (error) {
  console.error(error);
  const banner = document.getElementById("broken");
  if (banner) banner.hidden = false;
}
