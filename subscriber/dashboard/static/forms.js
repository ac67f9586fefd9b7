// What a reader can make happen: a session is stopped, a report in quarantine is decided.

import { $, $$, node, plain } from "./dom.js";
import { toLogin } from "./login.js";
import { announcer } from "./words.js";

const AGAIN_MS = 5000; // a second press within this time stops a session

async function post(path, body = {}) {
    let reply;
    try {
        reply = await fetch(path, {
            method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
        });
    } catch {
        throw new Error("the dashboard does not answer");
    }
    if (reply.status === 401) {
        toLogin();
    }
    const result = await reply.json().catch(() => ({}));
    if (!reply.ok) {
        throw new Error(result.error?.text ?? `the dashboard answered ${reply.status}`);
    }
    return result;
}

// A button that is busy keeps the focus, which a disabled one would lose.
const isBusy = (button) => button.getAttribute("aria-disabled") === "true";
const setBusy = (button, busy) => button.setAttribute("aria-disabled", String(busy));

// The first press asks, the second does it.
export function stopButton([agency, id, status]) {
    if (status !== "running" && status !== "lost") {
        return [];
    }
    const name = plain(`${agency}:${id}`);
    const button = node("button", { type: "button", class: "stop", "aria-label": `Stop ${name}` },
        "Stop");
    const said = node("span", { class: "said" });
    let timer;
    const say = (words) => {
        said.textContent = words;
        announcer.now(`${name}: ${words}`);
    };
    const calm = () => {
        clearTimeout(timer);
        delete button.dataset.sure;
        button.textContent = "Stop";
        button.setAttribute("aria-label", `Stop ${name}`);
    };
    button.addEventListener("click", async () => {
        if (isBusy(button)) {
            return;
        }
        if (button.dataset.sure === undefined) {
            button.dataset.sure = "";
            button.textContent = "Really stop?";
            button.setAttribute("aria-label", `Really stop ${name}? Press again`);
            said.textContent = "";
            announcer.now(`Really stop ${name}? Press again`);
            timer = setTimeout(calm, AGAIN_MS);
            return;
        }
        calm();
        setBusy(button, true);
        try {
            await post(`/api/sessions/${[agency, id].map(encodeURIComponent).join("/")}/stop`);
            say("asked to stop");
        } catch (error) {
            setBusy(button, false);
            say(error.message);
        }
    });
    return [button, said];
}

async function decide(item, button) {
    const kind = button.dataset.decision, said = $(".outcome", item), as = $("[name=as]", item);
    const wanted = as.value.trim();
    if (kind === "as" && wanted === "") {
        said.textContent = "Which case is it to become? Write its id, like hse:4812345.";
        as.focus();
        return;
    }
    const others = $$("button", item).filter((other) => other !== button);
    others.forEach((other) => { other.disabled = true; });
    setBusy(button, true);
    said.textContent = "…";
    try {
        const word = kind === "reject" ? "reject" : "accept";
        await post(`/api/quarantine/${item.dataset.key}/${word}`,
            kind === "as" ? { as: wanted } : {});
        said.textContent = kind === "reject" ? "Rejected." : "Accepted.";
        announcer.now(`#${item.dataset.key}: ${said.textContent}`);
    } catch (error) {
        said.textContent = error.message;
        others.forEach((other) => { other.disabled = false; });
        setBusy(button, false);
    }
}

// The buttons of all items of a list, those too that come later.
export function takeDecisions(list) {
    list.addEventListener("click", (event) => {
        const button = event.target.closest("[data-decision]");
        if (button !== null && !isBusy(button)) {
            decide(button.closest("li"), button);
        }
    });
    list.addEventListener("submit", (event) => { // Enter, in the one field that there is
        event.preventDefault();
        $("[data-decision=as]", event.target).click();
    });
}
