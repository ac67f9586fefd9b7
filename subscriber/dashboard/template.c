/* Templates with slots. There is no logic in them: what is there several times, or only
 * sometimes, is a template of its own, named where it stands or filling a slot. */
#include "template.h"

#include "asset.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct text *slot_get(struct slots *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->slot[i].name, name) == 0) {
            return &self->slot[i].markup;
        }
    }
    assert(self->count < SLOTS_MAX);
    self->slot[self->count].name = name;
    self->slot[self->count].markup = (struct text){0};
    return &self->slot[self->count++].markup;
}

void slot_words(struct slots *self, const char *name, struct casebus_bytes words)
{
    html_add(slot_get(self, name), words);
}

void slot_member(struct slots *self, const char *name, struct casebus_bytes map,
                 const char *key)
{
    html_add_member(slot_get(self, name), map, key);
}

void slots_clear(struct slots *self)
{
    for (size_t i = 0; i < self->count; i++) {
        text_clear(&self->slot[i].markup);
    }
}

void slots_free(struct slots *self)
{
    for (size_t i = 0; i < self->count; i++) {
        text_free(&self->slot[i].markup);
    }
    self->count = 0;
}

static void fill_slot(const struct slots *self, const char *name, size_t size, struct text *out)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct text *const markup = &self->slot[i].markup;
        if (strlen(self->slot[i].name) == size && memcmp(self->slot[i].name, name, size) == 0) {
            text_add_bytes(out, text_get(markup), markup->size);
            out->failed = out->failed || markup->failed;
            return;
        }
    }
}

/* Behind the comment at the beginning, and the line it ends with. */
static const char *skip_comment(const char *at)
{
    const char *const end = strncmp(at, "<!--", 4) == 0 ? strstr(at, "-->") : NULL;
    if (end == NULL) {
        return at;
    }
    return end + 3 + (end[3] == '\n');
}

static void fill(const char *name, size_t size, const struct slots *slots, struct text *out)
{
    char file[32];
    snprintf(file, sizeof file, "%.*s.html", (int)size, name);
    const struct asset *const asset = asset_find("pages", file);
    const char *at = asset != NULL ? skip_comment((const char *)asset->data) : "";
    for (;;) {
        const char *const open = strstr(at, "{{");
        const char *const close = open != NULL ? strstr(open, "}}") : NULL;
        if (close == NULL) {
            text_add(out, at);
            return;
        }
        text_add_bytes(out, at, (size_t)(open - at));
        if (open[2] == '>') {
            fill(open + 3, (size_t)(close - open - 3), slots, out);
        } else {
            fill_slot(slots, open + 2, (size_t)(close - open - 2), out);
        }
        at = close + 2;
    }
}

void template_fill(const char *name, const struct slots *slots, struct text *out)
{
    fill(name, strlen(name), slots, out);
}

/* What the frame itself shows of a page's slots. */
static void frame(const char *with, const char *name, struct casebus_bytes title,
                  struct slots *slots, struct text *out)
{
    static const char *const shared[] = {"epoch", "person"};
    struct slots layout = {0};
    slot_words(&layout, "title", title);
    slot_words(&layout, "page", casebus_cstr(name));
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        const struct text *const markup = slot_get(slots, shared[i]);
        text_add(slot_get(&layout, shared[i]), text_get(markup));
    }
    template_fill(name, slots, slot_get(&layout, "content"));
    template_fill(with, &layout, out);
    slots_free(&layout);
    slots_free(slots);
}

void template_page(const char *name, struct casebus_bytes title, struct slots *slots,
                   struct text *out)
{
    frame("layout", name, title, slots, out);
}

void template_door(const char *name, struct casebus_bytes title, struct slots *slots,
                   struct text *out)
{
    frame("layout_door", name, title, slots, out);
}
