// What a reader can make happen: a session is stopped, a report in quarantine is decided.

import { $, $$, node, plain, sessionPath } from "./dom.js";
import { toLogin } from "./login.js";

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

// The first press asks, the second does it.
export function stopButton([agency, id, status]) {
    if (status !== "running" && status !== "lost") {
        return [];
    }
    const name = plain(`${agency}:${id}`);
    const button = node("button", { type: "button", class: "stop", "aria-label": `Stop ${name}` },
        "Stop");
    const said = node("span", { class: "said", role: "status" });
    let timer;
    const calm = () => {
        clearTimeout(timer);
        delete button.dataset.sure;
        button.textContent = "Stop";
        button.setAttribute("aria-label", `Stop ${name}`);
    };
    button.addEventListener("click", async () => {
        if (button.dataset.sure === undefined) {
            button.dataset.sure = "";
            button.textContent = "Really stop?";
            button.setAttribute("aria-label", `Really stop ${name}? Press again`);
            said.textContent = "";
            timer = setTimeout(calm, AGAIN_MS);
            return;
        }
        calm();
        button.disabled = true;
        try {
            await post(`/api${sessionPath(agency, id)}/stop`);
            said.textContent = "asked to stop";
        } catch (error) {
            button.disabled = false;
            said.textContent = error.message;
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
    const buttons = $$("button", item);
    buttons.forEach((other) => { other.disabled = true; });
    said.textContent = "…";
    try {
        const word = kind === "reject" ? "reject" : "accept";
        await post(`/api/quarantine/${item.dataset.key}/${word}`,
            kind === "as" ? { as: wanted } : {});
        said.textContent = kind === "reject" ? "Rejected." : "Accepted.";
        item.dataset.decided = "";
    } catch (error) {
        said.textContent = error.message;
        buttons.forEach((other) => { other.disabled = false; });
    }
}

// The buttons of all items of a list, those too that come later.
export function takeDecisions(list) {
    list.addEventListener("click", (event) => {
        const button = event.target.closest("[data-decision]");
        if (button !== null) {
            decide(button.closest("li"), button);
        }
    });
    list.addEventListener("submit", (event) => event.preventDefault());
}
