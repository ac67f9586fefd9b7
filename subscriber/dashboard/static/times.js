// Instants in the reader's own time, which say how long ago they are.

import { $$, node } from "./dom.js";

export const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

function absolute(date) {
    const now = new Date();
    if (date.toDateString() === now.toDateString()) {
        return CLOCK.format(date);
    }
    const day = date.getFullYear() === now.getFullYear() ? DAY : YEAR;
    return `${day.format(date)} ${CLOCK.format(date).slice(0, 5)}`;
}

function ago(date) {
    const seconds = Math.max(0, Math.round((Date.now() - date) / 1000));
    if (seconds < 5) {
        return "now";
    }
    if (seconds < 60) {
        return `${seconds - (seconds % 5)} s ago`;
    }
    if (seconds < 3600) {
        return `${Math.floor(seconds / 60)} min ago`;
    }
    return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : "";
}

export function showTime(time) {
    const date = new Date(time.dateTime);
    const words = ago(date);
    const shown = absolute(date) + (words ? ` · ${words}` : "");
    if (time.textContent !== shown) {
        time.replaceChildren(absolute(date), ...(words ?
            [node("span", { class: "ago" }, ` · ${words}`)] : []));
        time.title = `${time.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    }
}

export function instant(micros) {
    if (micros === undefined) {
        return [];
    }
    const time = node("time", { datetime: new Date(micros / 1000).toISOString() });
    showTime(time);
    return [time];
}

export function showTimes() {
    $$("time").forEach(showTime);
}
