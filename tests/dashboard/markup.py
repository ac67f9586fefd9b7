"""Reading pages without a browser."""
import html.parser
import re

VOID = {"meta", "link", "input", "br", "hr", "img"}
DRAWN = {"path", "rect", "circle", "line", "polyline"}  # of SVG, which may close themselves
LABELLED = {"input", "select", "textarea"}


class Checker(html.parser.HTMLParser):
    """What can be told of a page without a browser: elements are balanced, ids are unique and those
    referred to are there, each control has a name, nothing is inline that the policy forbids."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.ids, self.wanted = [], [], [], []
        self.labels, self.controls, self.headings = set(), [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if len(given) != len(attrs):
            self.say("an attribute twice in <%s>" % tag)
        if tag not in VOID:
            self.open.append(tag)
        self.look_at(tag, given)

    def handle_startendtag(self, tag, attrs):
        if tag not in VOID | DRAWN:
            self.say("<%s/> does not close" % tag)
        self.look_at(tag, dict(attrs))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.say("</%s> closes another element" % tag)

    def look_at(self, tag, given):
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.wanted += given.get(name, "").split()
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag in LABELLED and given.get("type") != "hidden" and "aria-label" not in given:
            self.controls.append(given.get("id"))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "style" or "style" in given or any(name.startswith("on") for name in given):
            self.say("inline style or handler in <%s>" % tag)
        if tag == "script" and "src" not in given:
            self.say("inline script")
        if tag == "th" and "scope" not in given:
            self.say("a <th> without scope")

    def say(self, words):
        self.wrong.append("line %d: %s" % (self.getpos()[0], words))

    def finish(self):
        self.close()
        self.wrong += ["not closed: " + tag for tag in self.open]
        self.wrong += ["id twice: " + one for one in set(self.ids) if self.ids.count(one) > 1]
        self.wrong += ["no such id: " + one for one in self.wanted if one not in self.ids]
        self.wrong += ["no label: %s" % one for one in self.controls if one not in self.labels]
        if self.headings[:1] != [1] or self.headings.count(1) != 1:
            self.wrong.append("not one h1, and first")
        self.wrong += ["h%d after h%d" % (after, before) for before, after in
                       zip(self.headings, self.headings[1:]) if after > before + 1]
        return self.wrong


def check_html(text):
    """What is wrong with a page; nothing: an empty list."""
    checker = Checker()
    checker.feed(text)
    wrong = checker.finish()
    for left in re.findall(r"\{\{\w*\}\}", text):
        wrong.append("a slot was left: " + left)
    if not text.lower().startswith("<!doctype html>"):
        wrong.append("no doctype")
    return wrong
