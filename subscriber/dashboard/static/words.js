// What the page says of itself: the connection, the views' states, and a summary now and then for
// those who do not see it.

import { $, $$ } from "./dom.js";
import { CLOCK } from "./times.js";

const ANNOUNCE_MS = 15000; // the polite live region says something at most so often
const LOST_MS = 1500; // a connection is missed for so long before a word is said about it

// A live region for people who do not see the page: a summary now and then, never the rows.
class Announcer {
    constructor(place) {
        Object.assign(this, { place, cases: 0, words: [], timer: undefined });
    }

    newCases(number) {
        this.cases += number;
        this.later();
    }

    // What came of what the reader did.
    now(words) {
        this.place.textContent = words;
    }

    say(words) {
        this.words = this.words.filter((other) => other !== words).concat(words);
        this.later();
    }

    later() {
        this.timer ??= setTimeout(() => {
            const cases = this.cases > 0 ?
                [`${this.cases} new ${this.cases === 1 ? "case" : "cases"}`] : [];
            this.place.textContent = [...this.words, ...cases].join(". ");
            Object.assign(this, { cases: 0, words: [], timer: undefined });
        }, ANNOUNCE_MS);
    }
}

export const announcer = new Announcer($("#announcer"));

let connectionTimer;

// A connection that is back at once is not worth a word.
export function showConnection(lost) {
    clearTimeout(connectionTimer);
    connectionTimer = setTimeout(() => {
        const place = $("#connection");
        place.hidden = lost === null;
        place.textContent = lost === null ? "" :
            `Connection to the dashboard lost, trying again since ${CLOCK.format(lost)}. ` +
            "What is shown is from before.";
        document.body.classList.toggle("lost", lost !== null);
    }, lost === null ? 0 : LOST_MS);
}

// A view's own words, beside its title.
export function showState({ view, data }) {
    for (const place of $$(`.state[data-view="${CSS.escape(view.name)}"]`)) {
        const words = view.cut ? `${data.words}; some rows are left out, they are too large` :
            data.words;
        if (place.textContent !== words) {
            place.textContent = words;
        }
        const before = place.dataset.state;
        place.dataset.state = data.state;
        if (before !== undefined && before !== data.state) {
            const title = $("h1, h2", place.parentElement)?.textContent ?? "";
            announcer.say(`${title.trim()}: ${data.words}`);
        }
    }
}
