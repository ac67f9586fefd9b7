// Nodes, and how values are written in them.
//
// What is shown was written by somebody on some web page. It gets into the document as text and
// as nothing else: nodes are made here one by one, and no text is ever parsed as markup.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Somebody else's words as the server shows them (html_add()): what is not seen, or turns text
// around, is spelled out; line feeds and tabs stay.
const UNSEEN = /[^\n\t\P{C}]|\p{Zl}|\p{Zp}/gu;

function spell(character) {
    const code = character.codePointAt(0), digits = code.toString(16);
    if (character === "\r") {
        return "\\r";
    }
    return code < 0x100 ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`;
}

export const plain = (words) => words.replace(UNSEEN, spell);

// Puts nodes and words into an element.
export function fill(element, children) {
    element.replaceChildren(...children.filter((child) => child !== undefined && child !== "")
        .map((child) => (typeof child === "string" ? plain(child) : child)));
}

export function node(tag, attributes = {}, ...children) {
    const self = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        self.setAttribute(name, value);
    }
    fill(self, children);
    return self;
}

export const link = (href, words) => node("a", { href }, words);
export const minor = (words) => (words ? node("span", { class: "minor" }, words) : "");
export const badge = (kind, word) => node("span", { class: `badge ${kind}-${word}` }, word);
export const text = (value) => [value === undefined ? "" : String(value)];

export const casePath = (id) => `/cases/${encodeURIComponent(id)}`;
// A browser takes "." and ".." out of a path, however they are written: the front page lists such a
// session's cases.
export const sessionPath = (agency, id) => (id === "." || id === ".." ?
    `/?session=${encodeURIComponent(`${agency}:${id}`)}` :
    `/sessions/${encodeURIComponent(agency)}/${encodeURIComponent(id)}`);

export function offenderPath(agency, name, postcode) {
    const query = { agency, name, postcode };
    return "/offenders?" + Object.keys(query).filter((key) => query[key])
        .map((key) => `${key}=${encodeURIComponent(query[key])}`).join("&");
}

export function count(number) {
    return (number ?? 0).toLocaleString("en-GB");
}

export function money(pence) {
    if (pence === undefined) {
        return "";
    }
    return `£${Math.floor(pence / 100).toLocaleString("en-GB")}.` +
        String(pence % 100).padStart(2, "0");
}
