/* The bus, where the disk says no.
 *
 * No commit begins without file space for all it can write (store_reserve), so a full disk or a
 * full map is met where nothing has happened yet. The broker is then read-only: nothing is
 * confirmed or published, requests are answered, and reports are taken in and dropped: numbered
 * ones come again, others are counted. A batch without space comes again in halves, so it takes
 * one report that finds none; and space is looked for once a second, of which there must then
 * be so much more that this does not begin again at once. Any other failure of the store, I/O
 * first of all, ends the broker: it never confirms after a failure, and the next start begins
 * with what was durable. */
#include "bus_private.h"

#include "log.h"

bool bus_is_read_only(const struct bus *self)
{
    return atomic_load(&self->options->counters->read_only);
}

/* Whoever sees it finds the reason in the log. */
void bus_set_read_only(struct bus *self, bool read_only)
{
    const struct store *store = self->options->store;
    if (read_only) {
        log_error(
            "no space is left for the store in %s: read-only until %llu MiB are free there, "
            "and below --map-size",
            store_dir(store), (unsigned long long)(store_room_wanted(store) >> 20) + 1);
    } else {
        log_error("there is space in %s again: reports are stored", store_dir(store));
    }
    atomic_store(&self->options->counters->read_only, read_only);
    fanout_hurry(self->fanout); /* who watches is told at once */
}

/* Its publisher's poll is told why the report is not decided. */
static void note_held(struct bus *self, const struct item *item)
{
    const struct casebus_report_head *head = &item->prepared.head;
    if (head->numbered) {
        bus_note_arrived(self, item, head->publisher, head->number, false);
    }
}

void bus_hold(struct bus *self, struct batch *b)
{
    struct counters *c = self->options->counters;
    for (size_t i = b->first; i < b->count; i++) {
        struct item *item = &b->items[i];
        if (item->submission == 0) {
            count(item->prepared.head.numbered ? &c->held : &c->unstored, 1);
            note_held(self, item);
        } else if (item->submission != NOBODY_ASKED) {
            item->result = (struct apply_result){.outcome = CASEBUS_OUTCOME_REJECTED,
                                                 .fault = {.code = CASEBUS_ENOSPC}};
            bus_answer_submission(self, item);
        }
    }
    batch_clear(b);
    bus_hand_over(self);
}

void bus_look_for_space(struct bus *self)
{
    if (bus_is_read_only(self) && store_has_room(self->options->store) == 0) {
        bus_set_read_only(self, false);
    }
}
