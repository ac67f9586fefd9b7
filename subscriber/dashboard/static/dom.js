// Nodes, and how values are written in them.
//
// What is shown was written by somebody on some web page. It gets into the document as text and
// as nothing else: nodes are made here one by one, and no text is ever parsed as markup.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function node(tag, attributes = {}, ...children) {
    const self = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        self.setAttribute(name, value);
    }
    self.append(...children.filter((child) => child !== undefined && child !== ""));
    return self;
}

export const link = (href, words) => node("a", { href }, words);
export const minor = (words) => (words ? node("span", { class: "minor" }, words) : "");
export const badge = (kind, word) => node("span", { class: `badge ${kind}-${word}` }, word);
export const text = (value) => [value === undefined ? "" : String(value)];

export const casePath = (id) => `/cases/${encodeURIComponent(id)}`;
export const sessionPath = (agency, id) =>
    `/sessions/${encodeURIComponent(agency)}/${encodeURIComponent(id)}`;

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
