// Whoever leaves a form with something that is not stored is asked first. Loaded by the pages that edit an object.
(() => {
  "use strict";
  if (window.tigaUnsaved) return;
  window.tigaUnsaved = true;
  const find = (selector) => document.querySelector(selector);
  let sending = null; // the form that is being sent
  function touched(control) {
    if (!control.name || control.type === "hidden") return false; // a control of a script's has no name
    if (control.type === "file") return control.files.length > 0;
    if (control.tagName === "SELECT") return [...control.options].some((o) => o.selected !== o.defaultSelected);
    return "defaultValue" in control && control.value !== control.defaultValue;
  }
  function dirty() {
    const form = find("form[data-unsaved]");
    if (!form || form === sending) return false;
    return form.hasAttribute("data-dirty") || !!find("#edit-notice, .sure, #edit-errors") || [...form.elements].some(touched);
  }
  document.addEventListener("submit", (e) => {
    if (e.target.matches("[data-unsaved]")) sending = e.target;
  });
  // A link that htmx would follow leaves the page without the browser's asking.
  document.addEventListener("click", (e) => {
    const link = e.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.getAttribute("href").startsWith("#")) return;
    if (e.ctrlKey || e.metaKey || e.shiftKey || !dirty()) return;
    const form = find("form[data-unsaved]");
    if (!window.confirm(form.dataset.unsaved)) {
      e.preventDefault();
      e.stopImmediatePropagation();
      return;
    }
    sending = form;
  }, true);
  addEventListener("beforeunload", (e) => {
    if (dirty()) e.preventDefault();
  });
  addEventListener("pageshow", () => { sending = null; });
})();
