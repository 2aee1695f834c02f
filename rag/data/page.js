// What the page does in the browser. Runs once, in the element of the conversation; `element`, `trigger`, `props`,
// `server` and `watch` are Gradio's. The server renders every turn; here they are put in place, and tied to the article.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector, root = document) => root.querySelector(selector);
const turns = one(".turns", element);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const stacked = matchMedia("(max-width: 60rem)");
let chosen = null; // the turn whose citations are marked in the article
let editing = null; // the number of the turn whose question is in the box again
let leap = null; // a jump that waits for its article
let following = false; // whether the newest turn is kept in sight while it grows

document.documentElement.lang = "en"; // Gradio puts the browser's language there, but the page is in English

// A tab is known to the server by a secret of its own, which outlives a reload and nothing else.
const token = (() => {
  const made = () => Array.from(crypto.getRandomValues(new Uint8Array(32)), (b) => b.toString(16).padStart(2, "0")).join("");
  try {
    const kept = sessionStorage.getItem("sanad") || made();
    sessionStorage.setItem("sanad", kept);
    return kept;
  } catch {
    return made();
  }
})();

// What events carry to the server: the first value of each is the call, {token, …}. `restored` says that the tab shows what
// the server has kept for it, so that a server that no longer has it says so; `article`, which one is asked.
let restored = false;
let next = {};
const call = () => {
  const made = { token, restored, article: shown()?.dataset.article, ...next };
  next = {};
  return made;
};
window.sanad = {
  call: (values) => [call(), ...values.slice(1)],
  ask(values) {
    if (editing !== null && !("question" in next)) next.at = editing;
    return this.call(values);
  },
  show(values) {
    const wanted = next.article ?? values[1];
    return [call(), wanted];
  },
};

// Turns

function put({ turns: changed, count, notice }) {
  restored = true;
  const before = chosen;
  for (const html of changed) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const fresh = holder.content.firstElementChild;
    const old = turn(fresh.dataset.turn);
    if (old) patch(old, fresh);
    else turns.append(fresh);
    settle(old ?? fresh, !old);
    if (Number(fresh.dataset.turn) === editing) keep();
  }
  all(".turn", turns).slice(count).forEach((extra) => extra.remove());
  if (editing >= count) keep();
  if (notice !== null) say(notice);
  highlight();
  if (chosen !== before && !stacked.matches) one("#article .cited")?.scrollIntoView({ block: "center" });
}

const turn = (number) => one(`.turn[data-turn="${number}"]`, turns);

// Only what has changed is replaced: what is read, hovered or opened stays as it is.
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return old;
  if (!fresh.matches(".turn, .answer")) return fresh;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  const parts = [...fresh.children].map((part) => {
    const same = one(`:scope > .${part.classList[0]}`, old);
    return same ? patch(same, part) : part;
  });
  old.replaceChildren(...parts);
  return old;
}

// An answer that has just been finished is the chosen one, and is read aloud.
const finished = new WeakSet();

function settle(turn, isNew) {
  if (isNew) following = true;
  if (one(".answer", turn).dataset.state !== "done") finished.delete(turn);
  else if (!finished.has(turn)) {
    finished.add(turn);
    chosen = turn;
    const words = [...one(".words", turn).childNodes].filter((part) => part.nodeType === Node.TEXT_NODE); // not the markers
    tell([...words, ...all(".weak", turn)].map((part) => part.textContent).join(" "), one(".answer", turn).lang);
  }
  if (following && turn === turns.lastElementChild) {
    const room = (stacked.matches ? innerHeight - one("#box").offsetHeight : one("#conversation").clientHeight) - 24;
    turn.scrollIntoView({ block: turn.offsetHeight > room ? "start" : "end" });
  }
}

for (const moved of ["wheel", "touchmove"]) addEventListener(moved, () => (following = false), { passive: true });

// To those who listen: what has come without the focus being on it.
function tell(text, lang) {
  Object.assign(one("#said"), { textContent: text, lang });
}

function say(text) {
  one("#notice").hidden = !text;
  one("#notice-text").textContent = text;
}

// From the answer to the article, and back

const shown = () => one("#article article");
const key = (turn) => turn.dataset.article;

function highlight() {
  if (!chosen?.isConnected) chosen = all(".turn", turns).findLast((turn) => one(".citation", turn)) ?? null;
  for (const other of all(".turn", turns)) other.classList.toggle("chosen", other === chosen);
  const numbers = {};
  if (chosen && key(chosen) === shown()?.dataset.article) {
    for (const { dataset } of all(".citation", chosen)) (numbers[dataset.sentence] ??= []).push(dataset.number);
  }
  for (const sentence of all("#article .cited")) {
    if (sentence.dataset.sentence in numbers) continue;
    sentence.classList.remove("cited");
    for (const name of ["data-numbers", "tabindex", "role"]) sentence.removeAttribute(name);
  }
  for (const [number, marks] of Object.entries(numbers)) {
    const sentence = one(`#s-${number}`);
    sentence.classList.add("cited");
    Object.assign(sentence.dataset, { numbers: marks.join(" ") });
    sentence.tabIndex = 0;
    sentence.setAttribute("role", "button");
  }
}

function jump(turn, sentence) {
  chosen = turn;
  if (key(turn) !== shown()?.dataset.article) {
    leap = { turn, sentence };
    next.article = key(turn);
    trigger("select");
    return;
  }
  highlight();
  const target = one(`#s-${sentence}`);
  move(target, "center");
  pulse(target);
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  one("#back").hidden = !stacked.matches;
}

function back(byKeyboard) {
  one("#back").hidden = true;
  if (!chosen) return;
  move(one(".words", chosen), "center");
  if (byKeyboard) one(".cite, [data-act]", chosen).focus({ preventScroll: true });
}

// A marker is focused for the keyboard only: to a pointer its quote would be in the way.
function claims(sentence, byKeyboard) {
  const words = one(".words", chosen);
  move(words, stacked.matches ? "center" : "nearest");
  pulse(words);
  if (byKeyboard) one(`.cite[data-sentence="${sentence.dataset.sentence}"]`, words).focus({ preventScroll: true });
  one("#back").hidden = true;
}

function move(target, block) {
  const far = Math.abs(target.getBoundingClientRect().top) > 3 * innerHeight; // a long way is not worth the wait
  target.scrollIntoView({ block, behavior: far || calm.matches ? "auto" : "smooth" });
}

function pulse(target) {
  target.classList.remove("pulse");
  void target.offsetWidth; // so that a pulse that is going on begins anew
  target.classList.add("pulse");
  clearTimeout(target.pulsing);
  target.pulsing = setTimeout(() => target.classList.remove("pulse"), 2000);
}

// Another article is on show.
window.sanad.shown = () => {
  const examples = one("#examples [data-article]");
  if (examples) examples.hidden = examples.dataset.article !== shown()?.dataset.article;
  highlight();
  if (leap) jump(leap.turn, leap.sentence);
  else one("#article").scrollTop = 0;
  leap = null;
};

// The quote, seen from its marker

const tip = element.closest("main").appendChild(document.createElement("div"));
Object.assign(tip, { id: "peek", hidden: true });
tip.setAttribute("role", "tooltip");

let peeked = null;

function peek(cite) {
  peeked = cite;
  const card = one(`.citation[data-number="${cite.dataset.number}"]`, cite.closest(".turn"));
  tip.replaceChildren(...all(".quote, .where", card).map((part) => part.cloneNode(true)));
  tip.dir = cite.closest(".turn").dir;
  tip.hidden = false;
  cite.setAttribute("aria-describedby", "peek");
  place();
}

function place() {
  if (!peeked?.isConnected) return unpeek();
  const box = peeked.getBoundingClientRect();
  const above = box.top - tip.offsetHeight - 8;
  tip.style.top = `${above > 8 ? above : box.bottom + 8}px`;
  tip.style.left = `${Math.max(8, Math.min(box.left - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
}

function unpeek() {
  tip.hidden = true;
  peeked?.removeAttribute("aria-describedby");
  peeked = null;
}

for (const begins of ["mouseover", "focusin"]) {
  element.addEventListener(begins, ({ target }) => target.closest(".cite") && peek(target.closest(".cite")));
}
for (const ends of ["mouseout", "focusout"]) element.addEventListener(ends, unpeek);
addEventListener("scroll", place, { capture: true, passive: true });

// What is clicked

const acts = {
  jump: (button) => jump(button.closest(".turn"), button.closest("[data-sentence]").dataset.sentence),
  copy,
  quotation: copy,
  async translate(button) {
    const card = button.closest(".citation");
    const where = { turn: Number(card.closest(".turn").dataset.turn), number: Number(card.dataset.number) };
    button.disabled = true;
    const { text, error } = await asked("translate", where);
    button.disabled = false;
    if (error) return say(error);
    const label = Object.assign(document.createElement("span"), { className: "label", textContent: button.dataset.label });
    const translation = one(".translation", card);
    translation.replaceChildren(label, text);
    translation.hidden = false;
    button.hidden = true;
    tell(text, translation.lang);
  },
  retry(button) {
    const again = button.closest(".turn");
    Object.assign(next, { question: one(".asked", again).textContent, at: Number(again.dataset.turn), keep: true });
    trigger("submit");
  },
  edit(button) {
    const again = button.closest(".turn");
    editing = Number(again.dataset.turn);
    write(one(".asked", again).textContent);
    one("#editing").hidden = false;
  },
  keep() {
    keep();
    write("");
  },
  dismiss: () => say(""),
};

function keep() {
  editing = null;
  one("#editing").hidden = true;
}

function write(text) {
  const box = one("#question textarea");
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
}

async function copy(button) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await navigator.clipboard.writeText(button.dataset.text);
  } catch {
    const box = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: button.dataset.text }));
    box.select();
    document.execCommand("copy"); // where the page is not served from this machine, there is no other clipboard
    box.remove();
    button.focus();
  }
  button.textContent = button.closest(".turn").dataset.copied;
  setTimeout(() => (button.textContent = label), 1500);
}

const asked = async (name, what) =>
  (await server[name]({ token, restored, ...what })) ?? { error: "The server can't be reached." };

async function save(kind) {
  const { name, type, text, notice, error } = await asked("export", { kind, article: shown()?.dataset.article });
  say(error || notice);
  if (error) return;
  const href = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

// Of a double click only the first half counts: Stop has taken the place of Ask by the second.
const twice = ({ detail, target }) => detail > 1 && target.closest("#ask, #stop, .example");
document.addEventListener("click", (event) => twice(event) && event.stopImmediatePropagation(), { capture: true });

document.addEventListener("click", (event) => {
  const target = event.target;
  const cite = target.closest(".cite");
  const act = target.closest("[data-act]");
  const sentence = target.closest("#article .cited");
  if (cite) jump(cite.closest(".turn"), cite.dataset.sentence);
  else if (act) acts[act.dataset.act](act);
  else if (sentence && getSelection().isCollapsed) claims(sentence);
  else if (target.closest(".example")) {
    next.question = target.closest(".example").textContent;
    trigger("submit");
  } else if (target.closest("#back")) back(!event.detail);
  else if (target.closest(".turn") && getSelection().isCollapsed) {
    if (one(".citation", target.closest(".turn"))) chosen = target.closest(".turn");
    highlight();
  }
  const kind = target.closest("[id^=export-]")?.id.slice("export-".length);
  if (kind) save(kind);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") unpeek();
  const sentence = event.target.closest?.("#article .cited");
  if (sentence && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    claims(sentence, true);
  }
});

// Leaving the page cuts off Gradio's streams, which is no error to tell anyone about.
let left = false;
addEventListener("beforeunload", () => (left = true));
addEventListener("unhandledrejection", (event) => left && event.preventDefault());

watch("value", () => props.value && put(props.value)); // what yields nothing gives ""
trigger("restore");
