// Starts the page. A file of its own, because the content security policy forbids inline scripts.
const broken = () => {
  const banner = document.getElementById("broken");
  if (banner) banner.hidden = false;
};

// A trap in WebAssembly (a Rust panic) leaves the module dead: only a reload helps, and the banner says so.
const trapped = (error) => {
  if (error instanceof WebAssembly.RuntimeError) broken();
};
addEventListener("error", (event) => trapped(event.error));
addEventListener("unhandledrejection", (event) => trapped(event.reason));

try {
  const { default: init } = await import("./ui.js");
  await init({ module_or_path: new URL("ui_bg.wasm", import.meta.url) });
} catch (error) {
  console.error(error);
  broken();
}
