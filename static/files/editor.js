// The editor of YAML: Ace over the page's own text field, which stays what is sent. Loaded by the editor's page alone.
(() => {
  "use strict";
  if (window.tigaEditor) return window.tigaEditor();
  const find = (selector, from = document) => from.querySelector(selector);
  const ace = window.ace;
  ace.config.set("useStrictCSP", true); // its style is a file; the pages' policy lets no script write one
  for (const path of ["basePath", "modePath", "themePath", "workerPath"]) ace.config.set(path, "/static");
  ace.config.set("loadWorkerFromBlob", false);
  ace.require("ace/mode/yaml").Mode.prototype.snippetFileId = ""; // or a file is asked for that is not there
  let editor = null;
  let field = null;

  // --- What the cluster says about fields ---------------------------------------------------------------------
  const known = new Map();
  function schema(path) {
    const base = field.dataset.schema;
    if (!base) return Promise.resolve(null);
    const url = `${base}&path=${path.map(encodeURIComponent).join("/")}`;
    if (!known.has(url)) known.set(url, fetch(url, { headers: { Accept: "application/json" } }).then((r) => (r.ok ? r.json() : null)).catch(() => null));
    return known.get(url);
  }
  const indent = (line) => /^(?: |- )*/.exec(line)[0].length;
  const keyOf = (line) => /^(?: |- )*(?:"([^"]+)"|'([^']+)'|([^\s#:'"][^:]*?))\s*:(?:\s|$)/.exec(line)?.slice(1).find(Boolean);
  // pathAt is the keys that lead to a row; from is the indentation left of which the next has to stand.
  function pathAt(row, from) {
    const out = [];
    let limit = from;
    for (let i = row; i >= 0 && limit > 0; i--) {
      const line = editor.session.getLine(i);
      const at = indent(line);
      const key = keyOf(line);
      if (!key || at >= limit) continue;
      out.unshift(key);
      limit = at;
    }
    return out;
  }
  const completer = {
    identifierRegexps: [/[\w.$/-]/],
    async getCompletions(_, session, pos, prefix, done) {
      const line = session.getLine(pos.row).slice(0, pos.column);
      const key = keyOf(line);
      if (key) { // its value
        const at = await schema(pathAt(pos.row, indent(line) + 1));
        const values = at?.enum ?? (at?.type === "boolean" ? ["true", "false"] : []);
        return done(null, values.map((value) => ({ caption: value, value, meta: at.type, score: 1000 })));
      }
      const at = await schema(pathAt(pos.row - 1, indent(line)));
      done(null, (at?.fields ?? []).map((f) => ({
        caption: f.name, value: `${f.name}: `, meta: f.type + (f.required ? " *" : ""), score: f.required ? 1001 : 1000, docText: f.description,
      })));
    },
  };
  let asked = 0;
  async function help() {
    const box = find("[data-editor-help]");
    if (!box || !editor) return;
    const { row } = editor.getCursorPosition();
    const line = editor.session.getLine(row);
    const path = keyOf(line) ? pathAt(row, indent(line) + 1) : pathAt(row - 1, indent(line));
    const turn = ++asked;
    const at = path.length ? await schema(path) : null;
    if (turn !== asked) return;
    box.replaceChildren();
    if (!at) return;
    const name = document.createElement("code");
    name.textContent = path.join(".");
    const type = document.createElement("span");
    type.className = "mono muted";
    type.textContent = ` ${at.type} `;
    box.append(name, type, [at.description, (at.enum ?? []).join(" | ")].filter(Boolean).join(" "));
  }

  // --- The editor over the field ------------------------------------------------------------------------------
  function start() {
    const next = find("#edit-text[data-scripts]");
    if (!next || next === field) return;
    editor?.destroy();
    field = next;
    const host = find("[data-editor-host]");
    host.setAttribute("data-js-on", "");
    field.setAttribute("data-js-hidden", "");
    ace.config.setMessages({ ...ace.require("ace/lib/default_english_messages").defaultEnglishMessages, ...JSON.parse(field.dataset.words) });
    editor = ace.edit(host, {
      mode: "ace/mode/yaml", value: field.value, fontSize: 12.5, tabSize: 2, useSoftTabs: true, useWorker: false, showPrintMargin: false,
      minLines: 16, maxLines: 42, wrap: false, enableBasicAutocompletion: [completer], enableLiveAutocompletion: [completer], showFoldWidgets: true,
      enableKeyboardAccessibility: true, scrollPastEnd: 0, fontFamily: "var(--mono)",
    });
    editor.setTheme({ cssClass: "ace-tiga", isDark: false, cssText: "" });
    // These open what is not shipped; their keys are the browser's again.
    for (const name of ["showSettingsMenu", "openCommandPallete", "openCommandPalette", "gotoline"]) editor.commands.removeCommand(name);
    editor.textInput.getElement().setAttribute("aria-label", "YAML");
    editor.session.on("change", () => { field.value = editor.getValue(); });
    let timer = 0;
    editor.selection.on("changeCursor", () => {
      clearTimeout(timer);
      timer = setTimeout(help, 250);
    });
    editor.session.setAnnotations(JSON.parse(field.dataset.errors || "[]").map((e) => ({ ...e, column: 0, type: "error" })));
    const kept = sessionStorage.getItem("tiga-cursor");
    const first = find(".edit-line");
    if (first) editor.gotoLine(Number(first.dataset.line), Math.max(0, Number(first.dataset.column) - 1), false);
    else if (kept?.startsWith(`${location.pathname} `)) {
      const [, row, column] = kept.split(" ").map(Number);
      editor.gotoLine(row + 1, column, false);
    }
    sessionStorage.removeItem("tiga-cursor");
    window.tigaAce = editor;
  }
  document.addEventListener("submit", (e) => {
    if (!e.target.matches("[data-editor]")) return;
    if (editor) {
      field.value = editor.getValue();
      const at = editor.getCursorPosition();
      sessionStorage.setItem("tiga-cursor", `${location.pathname} ${at.row} ${at.column}`);
    }
  });
  document.addEventListener("click", (e) => {
    const line = e.target.closest?.("[data-line]");
    if (line && editor) {
      e.preventDefault();
      editor.gotoLine(Number(line.dataset.line), Math.max(0, Number(line.dataset.column) - 1), false);
      editor.focus();
    }
  });
  document.addEventListener("htmx:after:swap", start);
  window.tigaEditor = start;
  start();
})();
