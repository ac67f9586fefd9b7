/* Lists in the order of a tree whose keys are seqs, newest first: sessions by their start,
 * quarantine by its conflicts. Like the lists of cases they can be of a moment: `as_of` leaves
 * out what came later, and `newer` counts it. */
#include "query.h"

/* The rows below `seq`; where the next page begins, size 0: nowhere. */
static struct key add_rows(struct query *q, const struct seq_list *list, struct cursor *c,
                           uint64_t seq, uint64_t limit)
{
    struct key last = key_number(seq), none = {.size = 0};
    bool at = cursor_before(c, key_bytes(&last));
    for (; at && more_rows(q, limit); at = cursor_prev(c)) {
        q->work++;
        q->row_count += list->row(q, list, key_to_number(c->key), c->value, &q->rows_pk);
        last = key_text(c->key);
    }
    return at ? last : none;
}

static uint64_t count_newer(struct query *q, const struct seq_list *list, struct cursor *c,
                            uint64_t as_of)
{
    uint64_t n = 0;
    bool at = cursor_last(c);
    for (unsigned left = NEWER_WORK; at && left > 0 && n < NEWER_MAX; left--) {
        const uint64_t seq = key_to_number(c->key);
        if (seq <= as_of) {
            break;
        }
        n += list->row(q, list, seq, c->value, NULL);
        at = cursor_prev(c);
    }
    return n;
}

int list_by_seq(struct query *q, const struct seq_list *list)
{
    struct casebus_bytes next;
    struct cursor c;
    uint64_t limit, as_of;
    int rc = arg_limit(q, &limit);
    rc = rc ? rc : arg_as_of(q, &as_of);
    rc = rc ? rc : arg_bin(q, "next", 8, false, &next);
    if (rc != 0) {
        return rc;
    }
    const bool further = next.data && key_to_number(next) <= as_of;
    cursor_open(&c, q->txn, list->tree);
    struct key more = add_rows(q, list, &c, further ? key_to_number(next) : as_of + 1, limit);
    const uint64_t newer = count_newer(q, list, &c, as_of);
    cursor_close(&c);
    msgpack_pack_map(&q->pk, more.size > 0 ? 4 : 3);
    pack_moment(q, as_of, newer);
    pack_rows(q, "rows");
    pack_next(q, &more);
    return 0;
}
