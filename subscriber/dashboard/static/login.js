// Where nobody is signed in any more, a page leads to where that can be done again.

export function toLogin() {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

// The stream was refused, which does not say why.
export async function checkLogin() {
    const reply = await fetch("/api/agencies", { method: "HEAD" }).catch(() => null);
    if (reply?.status === 401) {
        toLogin();
    }
}
