// What a page needs beyond links and forms. Every behaviour hangs on a data attribute, none is needed to do the work,
// and what it writes into the page carries a "data-js-" attribute, which a morph leaves alone.
(() => {
  "use strict";
  const root = document.documentElement;
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const on = (name, handle, capture) => document.addEventListener(name, handle, capture);
  const click = (selector, handle) => on("click", (e) => {
    const at = e.target.closest?.(selector);
    if (at) handle(at, e);
  });

  // --- Toasts -------------------------------------------------------------------------------------------------
  // They lie in the top layer; showing the popover again lifts it over what opened since.
  const toasts = () => find("#toasts");
  function settleToasts() {
    const box = toasts();
    if (!box?.showPopover) return;
    if (box.childElementCount === 0) {
      if (box.matches(":popover-open")) box.hidePopover();
      return;
    }
    if (box.matches(":popover-open")) box.hidePopover();
    box.showPopover();
    for (const t of all("[data-toast]:not([data-stays]):not([data-js-timed])", box)) {
      t.setAttribute("data-js-timed", "");
      const leave = () => setTimeout(() => {
        if (t.matches(":hover, :focus-within")) return leave();
        t.remove();
        settleToasts();
      }, 6000);
      leave();
    }
  }
  // say makes a toast of words that the page brought along, for when no answer did.
  function say(words, detail) {
    const box = toasts();
    if (!box || all(".toast-title", box).some((t) => t.textContent === words)) return;
    const card = document.createElement("div");
    card.className = "toast-card";
    card.setAttribute("role", "alert");
    card.setAttribute("data-toast", "");
    const title = document.createElement("p");
    title.className = "toast-title";
    const word = document.createElement("span");
    word.className = "st bad";
    word.textContent = words;
    title.append(word);
    card.append(title);
    if (detail) {
      const more = document.createElement("p");
      more.className = "toast-detail";
      more.textContent = detail;
      card.append(more);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn menu-button";
    close.setAttribute("data-dismiss", "");
    close.setAttribute("aria-label", box.dataset.close);
    close.textContent = "×";
    card.append(close);
    box.append(card);
    settleToasts();
  }
  click("[data-dismiss]", (b) => {
    b.closest("[data-toast]")?.remove();
    settleToasts();
  });

  // --- Requests -----------------------------------------------------------------------------------------------
  // An empty field of a GET form says nothing, so it does not belong into the address.
  on("htmx:config:request", (e) => {
    const { request } = e.detail.ctx;
    if (request.method !== "GET" || !request.body) return;
    for (const [key, value] of [...request.body]) if (value === "") {
      request.body.delete(key);
      const at = new URL(request.action, location.href);
      at.searchParams.delete(key);
      request.action = at.pathname + at.search;
    }
  });
  // An error that does not carry our mark comes from something in between; its page is not ours to show.
  on("htmx:before:response", (e) => {
    const { raw, status } = e.detail.ctx.response;
    if (status < 400 || raw.headers.has("X-Request-Id")) return;
    e.preventDefault();
    say(toasts()?.dataset.foreign, `${status} ${raw.statusText}`);
  });
  on("htmx:error", (e) => {
    const { ctx, error } = e.detail;
    if (!ctx || error?.name === "AbortError" || ctx.sourceElement?.id === "live") return;
    if (ctx.sourceElement?.id === "refresh") return root.setAttribute("data-js-lost", "");
    say(toasts()?.dataset.lost);
  });
  on("htmx:sse:error", () => root.setAttribute("data-js-lost", ""));
  on("htmx:sse:after:connection", () => root.removeAttribute("data-js-lost"));

  // --- Swaps --------------------------------------------------------------------------------------------------
  let before = null;
  on("htmx:before:swap", (e) => {
    const { ctx, tasks } = e.detail;
    const main = tasks.find((t) => t.type === "main");
    if (!main) return;
    if (ctx.sourceElement?.id === "refresh" && !current(ctx)) {
      e.preventDefault();
      if (find("#live")) htmx.trigger("#live", "changed");
      return;
    }
    const inDialog = main.target?.closest?.("dialog");
    if (inDialog) {
      // What stands behind a dialog stays what it was.
      ctx.title = null;
      for (let i = tasks.length; i--;) if (tasks[i].type !== "main") tasks.splice(i, 1);
    }
    const asked = ctx.sourceElement?.closest?.("dialog");
    if (asked?.open && ctx.response?.status >= 400 && main.target?.id === "toasts") {
      const place = find("[data-errors]", asked);
      if (place) Object.assign(main, { target: place, swapSpec: { style: "innerHTML" } });
    }
    before = null;
    if (main.target?.id === "main" && ctx.sourceElement?.id !== "refresh") leavePage();
    if (main.target?.id === "main" && /Morph$/.test(main.swapSpec.style)) {
      before = new Map();
      for (const row of all("#main tr[id]")) before.set(row.id, [...row.cells].map((c) => c.textContent));
    } else if (main.target?.id === "main") {
      // Another screen: the sheets of the old one close.
      for (const open of all("[popover]:popover-open")) if (open.id !== "toasts") open.hidePopover();
    }
  });
  // current says whether a refresh still is about the screen that shows: it may have left while the answer was away.
  function current(ctx) {
    const wanted = ctx.sourceElement.isConnected && ctx.sourceElement.getAttribute("hx-get");
    return wanted && new URL(wanted, location.href).href === new URL(ctx.request.action, location.href).href;
  }
  on("htmx:after:swap", (e) => {
    const { ctx } = e.detail;
    const target = ctx.target?.id ?? find(String(ctx.target))?.id;
    if (before) {
      for (const row of all("#main tr[id]")) {
        const old = before.get(row.id);
        if (old) [...row.cells].forEach((c, i) => {
          if (!c.classList.contains("age") && old[i] !== undefined && old[i] !== c.textContent) c.setAttribute("data-js-changed", "");
        });
      }
      before = null;
    } else if (target === "main") {
      find("#main h1")?.focus({ preventScroll: true });
    }
    if (target === "dialog-body" && ctx.response?.status < 400) find("#dialog").showModal();
    if (opener(ctx)) openSheet(opener(ctx));
    settle();
  });
  on("animationend", (e) => e.target.removeAttribute?.("data-js-changed"));

  // bringScripts loads what only one page needs, in its order, the first time that it shows.
  function bringScripts() {
    const page = find("[data-scripts]");
    if (!page) return;
    for (const href of (page.dataset.styles?.split(" ") ?? [])) {
      if (find(`link[href="${CSS.escape(href)}"]`)) continue;
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = href;
      find("link[rel=stylesheet]").before(link); // ours, which follow, win
    }
    for (const src of page.dataset.scripts.split(" ")) {
      if (find(`script[src="${CSS.escape(src)}"]`)) continue;
      const script = document.createElement("script");
      script.src = src;
      script.async = false;
      document.head.append(script);
    }
  }

  // settle brings what the script keeps in the page up to date after anything was swapped.
  function settle() {
    settleToasts();
    bringScripts();
    keepSelection();
    countSelected();
    for (const box of all("[data-narrow]")) if (box.value) narrow(box);
    markTheme();
    guardTyped();
  }

  // --- Dialogs ------------------------------------------------------------------------------------------------
  on("click", (e) => {
    const cancel = e.target.closest?.("[data-cancel]");
    const dialog = cancel?.closest("dialog") ?? (e.target.matches?.("dialog[open]") && outside(e) ? e.target : null);
    if (!dialog) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    dialog.close();
  }, true);
  function outside(e) {
    const r = e.target.getBoundingClientRect();
    return e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom;
  }
  on("close", (e) => {
    if (e.target.id === "dialog") find("#dialog-body").replaceChildren();
  }, true);
  click("[data-show]", (b) => {
    b.closest("[popover]")?.hidePopover();
    find(b.dataset.show)?.showModal();
  });
  click("[data-menu] a, [data-menu] [data-copy]", (a) => {
    const menu = a.closest("[popover]");
    if (menu?.matches(":popover-open")) menu.hidePopover();
  });
  on("submit", (e) => {
    const menu = e.target.closest("[data-menu]:popover-open");
    if (menu && e.target.method === "get") menu.hidePopover();
  });
  // A sheet that is read when it is opened shows up once it has arrived, at the link that asked for it.
  const opener = (ctx) => ctx.sourceElement?.closest?.("[data-sheet]");
  function openSheet(link) {
    const sheet = find(link.dataset.sheet);
    if (!sheet?.showPopover || !link.isConnected) return;
    if (!sheet.matches(":popover-open")) sheet.showPopover({ source: link });
    place(sheet, link);
    (find("[data-narrow]", sheet) ?? find("input, a, button", sheet))?.focus();
  }
  // tiga:done comes with the success of an action: the dialog closes, or its page is left.
  on("tiga:done", (e) => {
    const form = e.target.closest?.("form[data-next]");
    const dialog = form?.closest("dialog");
    const { next, gone } = form?.dataset ?? {};
    const left = gone && (location.pathname === gone || location.pathname.startsWith(gone + "/"));
    dialog?.close();
    unselect();
    if (next && (!dialog || left)) {
      htmx.ajax("GET", next, { target: "#main", swap: "innerHTML", push: "true" });
    } else if (find("#live")) {
      htmx.trigger("#live", "changed");
    }
    settle();
  });
  // tiga:partly comes with an answer that names what failed; what was selected has been dealt with.
  on("tiga:partly", unselect);
  // The button of a dangerous form works once the name is typed; the server checks it again.
  function guardTyped() {
    for (const input of all("[data-must]")) {
      const button = find("button[type=submit]", input.form);
      if (button) button.disabled = input.value !== input.dataset.must;
    }
  }
  on("input", (e) => {
    if (e.target.matches("[data-must]")) guardTyped();
  });

  // --- Choosing among many ------------------------------------------------------------------------------------
  function narrow(box) {
    const list = find(box.dataset.narrow);
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of all(".item", list)) {
      const text = item.textContent.toLowerCase();
      const hit = words.every((w) => text.includes(w));
      item.toggleAttribute("data-js-hidden", !hit);
      if (hit) shown++;
    }
    const nothing = find(".nothing", list);
    if (nothing) nothing.hidden = shown > 0;
  }
  on("input", (e) => {
    if (e.target.matches("[data-narrow]")) narrow(e.target);
  });
  on("toggle", (e) => {
    if (!e.target.matches?.("[popover]")) return;
    if (e.newState !== "open") return;
    place(e.target);
    const box = find("[data-narrow]", e.target);
    if (box) {
      box.value = "";
      narrow(box);
      box.focus();
    }
  }, true);
  // Browsers without anchors get the sheet's place counted out.
  function place(menu, source) {
    if (!menu.matches(".menu") || CSS.supports("position-area: block-end")) return;
    const button = source ?? find(`[popovertarget="${CSS.escape(menu.id)}"]`);
    if (!button) return;
    const b = button.getBoundingClientRect();
    const m = menu.getBoundingClientRect();
    const below = b.bottom + 4 + m.height < innerHeight || b.top < m.height + 4;
    menu.style.inset = "auto";
    menu.style.margin = "0";
    menu.style.left = `${Math.max(8, Math.min(b.left, innerWidth - m.width - 8))}px`;
    menu.style.top = `${below ? b.bottom + 4 : b.top - m.height - 4}px`;
  }

  // --- Columns ------------------------------------------------------------------------------------------------
  // A column moves in the sheet; the order is kept when the form is sent.
  click("[data-move]", (b, e) => {
    const item = b.closest("[data-order-item]");
    const movable = (i) => i && find("[data-move]", i);
    const next = b.dataset.move < 0 ? item.previousElementSibling : item.nextElementSibling;
    e.preventDefault();
    if (!movable(next)) return;
    if (b.dataset.move < 0) next.before(item);
    else next.after(item);
    b.focus();
    for (const i of all("[data-order-item]", item.parentElement)) {
      const up = find('[data-move="-1"]', i);
      if (up) up.disabled = !movable(i.previousElementSibling);
    }
  });

  // --- Selection ----------------------------------------------------------------------------------------------
  // What is selected is kept from page to page of one list: elsewhere are the values that other pages hold. Another
  // filter, or another list, begins anew.
  const picks = () => all(".list [name=o]");
  let elsewhere = new Set();
  let listed = "";
  let onPage = new Set();
  function listKey() {
    const at = new URL(location.href);
    for (const key of ["page", "sort", "cols"]) at.searchParams.delete(key);
    return at.pathname + at.search;
  }
  // keepSelection is called when the rows may have become others.
  function keepSelection() {
    const boxes = picks();
    if (listed !== listKey()) {
      listed = listKey();
      elsewhere = new Set();
      onPage = new Set();
      last = "";
    }
    for (const b of boxes) if (elsewhere.delete(b.value)) b.checked = true;
    onPage = new Set(boxes.filter((b) => b.checked).map((b) => b.value));
  }
  // leavePage remembers what is selected on a page that is about to be turned.
  function leavePage() {
    for (const value of onPage) elsewhere.add(value);
  }
  function countSelected() {
    const boxes = picks();
    const here = boxes.filter((b) => b.checked);
    onPage = new Set(here.map((b) => b.value));
    const n = here.length + elsewhere.size;
    for (const label of all("[data-selected]")) label.textContent = label.dataset.selected.replace("{n}", n);
    for (const bar of all(".bulk")) bar.toggleAttribute("data-js-selected", n > 0);
    const every = find("[data-select-all]");
    if (every) {
      every.checked = here.length > 0 && here.length === boxes.length;
      every.indeterminate = here.length > 0 && here.length < boxes.length;
    }
  }
  function unselect() {
    for (const b of picks()) b.checked = false;
    elsewhere.clear();
    countSelected();
  }
  // selectTo selects everything between the row that was selected last and this one.
  let last = "";
  function selectTo(box) {
    const boxes = picks();
    const from = boxes.findIndex((b) => b.id === last);
    if (from < 0) return;
    const [a, b] = [from, boxes.indexOf(box)].sort((x, y) => x - y);
    for (const between of boxes.slice(a, b + 1)) between.checked = box.checked;
  }
  on("click", (e) => {
    if (!e.target.matches?.(".list [name=o]")) return;
    if (e.shiftKey) selectTo(e.target);
    last = e.target.id;
  });
  // The bar's actions are about all that is selected, on whichever page.
  on("htmx:config:request", (e) => {
    const { ctx } = e.detail;
    if (!ctx.sourceElement?.closest?.(".bulk") || elsewhere.size === 0) return;
    const at = new URL(ctx.request.action, location.href);
    for (const value of elsewhere) {
      if (ctx.request.body?.append) ctx.request.body.append("o", value);
      else at.searchParams.append("o", value);
    }
    ctx.request.action = at.pathname + at.search;
  });
  on("change", (e) => {
    if (e.target.matches("[data-select-all]")) for (const b of picks()) b.checked = e.target.checked;
    countSelected();
  });
  click("[data-unselect]", unselect);

  // --- Copying, theme, times ----------------------------------------------------------------------------------
  click("[data-copy], [data-copy-from]", async (b) => {
    const text = b.dataset.copy ?? find(b.dataset.copyFrom)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      return;
    }
    const label = b.getAttribute("aria-label");
    if (label) b.setAttribute("aria-label", b.dataset.done);
    const words = label ? null : b.textContent;
    if (!label) b.textContent = b.dataset.done;
    setTimeout(() => {
      if (label) b.setAttribute("aria-label", label);
      else b.textContent = words;
    }, 1500);
  });
  on("submit", (e) => {
    const form = e.target;
    if (!form.matches("[data-theme-form]") || !e.submitter) return;
    e.preventDefault();
    const theme = e.submitter.value;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    markTheme();
    form.closest("[popover]:popover-open")?.hidePopover();
    const body = new URLSearchParams(new FormData(form));
    body.set("theme", theme);
    fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => say(toasts()?.dataset.lost));
  });
  function markTheme() {
    const now = root.dataset.theme ?? "system";
    for (const b of all("[data-theme-form] button")) {
      b.classList.toggle("on", b.value === now);
      b.setAttribute("aria-pressed", String(b.value === now));
    }
  }
  const units = [["y", 31536000, 2], ["d", 86400, 2], ["h", 3600, 1], ["m", 60, 1], ["s", 1, 0]];
  function tick() {
    if (document.hidden) return;
    const now = Date.now();
    for (const t of all("time[data-age]")) {
      const s = Math.max(0, (now - Date.parse(t.dateTime)) / 1000);
      const [unit, size] = units.find(([, size, least]) => s >= size * least) ?? units[4];
      const text = Math.floor(s / size) + unit;
      if (t.textContent !== text) t.textContent = text;
    }
  }
  setInterval(tick, 5000);
  // The local time of an instant is worked out when somebody points at it.
  on("pointerover", (e) => {
    const t = e.target.closest?.("time");
    if (t && !t.title.includes("\n")) t.title = `${t.title || t.textContent}\n${new Date(t.dateTime).toLocaleString(root.lang)}`;
  });

  // --- Keys ---------------------------------------------------------------------------------------------------
  const links = () => all("#main [data-row-link]").filter((a) => a.checkVisibility?.() ?? true);
  function move(to) {
    const rows = links();
    if (rows.length === 0) return;
    const here = rows.indexOf(document.activeElement?.closest("tr")?.querySelector("[data-row-link]"));
    const at = to === "first" ? 0 : to === "last" ? rows.length - 1 : here < 0 ? 0 : here + to;
    const row = rows[Math.max(0, Math.min(rows.length - 1, at))];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
  }
  // What Enter opened is not answered by the same press: whatever has the focus since, a held key does nothing there.
  let pressedAt = null;
  const samePress = (e) => {
    if (e.key !== "Enter") return;
    if (e.type === "keydown" && !e.repeat) pressedAt = e.target;
    else if (e.target !== pressedAt) e.preventDefault();
  };
  on("keydown", samePress, true);
  on("keypress", samePress, true);
  on("keydown", (e) => {
    if (e.isComposing || e.defaultPrevented) return;
    if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "k") {
      const menu = find("#clusters-menu");
      if (!menu?.togglePopover || find("dialog[open]")) return;
      e.preventDefault();
      menu.togglePopover({ source: find("#cluster-switch") });
      return;
    }
    const typing = e.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
    if (e.key === "Escape") {
      if (typing?.matches("[data-filter]")) typing.blur();
      else if (!find("dialog[open], [popover]:popover-open:not(#toasts)")) unselect();
      return;
    }
    if (e.key === "ArrowDown" || e.key === "ArrowUp") return arrows(e);
    if (typing || e.ctrlKey || e.metaKey || e.altKey || find("dialog[open], [popover]:popover-open:not(#toasts)")) return;
    switch (e.key) {
      case "/": find("[data-filter]")?.focus(); find("[data-filter]")?.select(); break;
      case "j": move(1); break;
      case "k": move(-1); break;
      case "g": move("first"); break;
      case "G": move("last"); break;
      case "x": pickOf(document.activeElement)?.click(); break;
      case "X": {
        const box = pickOf(document.activeElement);
        if (!box) return;
        box.checked = true;
        selectTo(box);
        last = box.id;
        countSelected();
        break;
      }
      case "?": find("#keys")?.showModal(); break;
      default: return;
    }
    e.preventDefault();
  });
  const pickOf = (element) => element?.closest("tr")?.querySelector("[name=o]");
  // In an open sheet the arrows move along its lines.
  function arrows(e) {
    const menu = e.target.closest?.("[data-menu]:popover-open") ?? find("[data-menu]:popover-open");
    if (!menu || e.target.matches?.("select, textarea")) return;
    const items = all("a.item, button.item, .item a, .item input, [data-narrow]", menu).filter((i) => i.checkVisibility?.() ?? true);
    const at = items.indexOf(document.activeElement) + (e.key === "ArrowDown" ? 1 : -1);
    items[Math.max(0, Math.min(items.length - 1, at))]?.focus();
    e.preventDefault();
  }

  settle();
})();
