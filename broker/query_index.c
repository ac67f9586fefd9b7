/* Lists of cases in the order of an index: by action date, newest first; by offender's name.
 *
 * Both indexes begin with the agency, so a list of all agencies walks one lane an agency, and
 * takes from the lane whose next row comes first. Of one date, or one name, it goes by agency.
 * `next` is the key of the row that was looked at last; from it each lane knows where it goes
 * on. */
#include "query_list.h"

struct lane {
    size_t agency_size;
    char agency[CASEBUS_AGENCY_MAX];
    struct cursor c;
    bool at;
};

struct lanes {
    const struct page *p;
    unsigned count;
    struct lane lane[CASEBUS_AGENCIES_MAX];
};

static struct casebus_bytes agency_of(const struct lane *lane)
{
    return casebus_bytes(lane->agency, lane->agency_size);
}

bool index_next_valid(const struct page *p)
{
    struct casebus_bytes agency = key_agency(p->next);
    struct casebus_bytes order = key_order(p->next);
    size_t head = agency.size + 1 + order.size;
    return p->next.size < KEY_MAX && casebus_agency_valid(agency) &&
           (!p->agency.data || casebus_bytes_equal(agency, p->agency)) && p->next.size > head &&
           p->next.data[head] == 0 &&
           (p->by_date ? order.size == DATE_SIZE : order.size <= NAME_KEY_MAX);
}

/* agency NUL order and one more byte: 0 for all keys of that order, 1 for what is behind them.
 */
static struct key boundary_key(struct casebus_bytes agency, struct casebus_bytes order,
                               unsigned char end)
{
    struct key k = key_text(agency);
    k.data[k.size++] = 0;
    memcpy(k.data + k.size, order.data, order.size);
    k.size += order.size;
    k.data[k.size++] = end;
    return k;
}

/* --- by date, backwards ------------------------------------------------------------------ */

/* The lowest key of the list, at which a lane ends: `from`, or the first day there can be where
 * only `to` is given. Without either the lane goes on to the cases without a date. */
static struct key down_to(const struct page *p, struct casebus_bytes agency)
{
    struct casebus_bytes first =
        p->from.data || !p->to.data ? p->from : casebus_cstr("0000-00-01");
    return key_date(agency, first, casebus_bytes(NULL, 0));
}

/* A lane begins behind `to`, or behind all dates; or below what the page before had. */
static bool seek_date(const struct page *p, struct lane *lane)
{
    struct casebus_bytes agency = agency_of(lane);
    struct key from = boundary_key(agency, p->to.data ? p->to : casebus_cstr("9999-99-99"), 1);
    if (p->next.data) {
        int side = casebus_bytes_compare(agency, key_agency(p->next));
        struct key on =
            side == 0 ? key_text(p->next) : boundary_key(agency, key_order(p->next), side < 0);
        from = casebus_bytes_compare(key_bytes(&on), key_bytes(&from)) < 0 ? on : from;
    }
    return cursor_before(&lane->c, key_bytes(&from));
}

/* --- by name, forwards ------------------------------------------------------------------- */

static struct key first_name(const struct page *p, struct casebus_bytes agency)
{
    struct key k = boundary_key(agency, normal_bytes(&p->offender), 0);
    k.size--;
    return k;
}

static bool seek_name(const struct page *p, struct lane *lane)
{
    struct casebus_bytes agency = agency_of(lane);
    struct key from = first_name(p, agency);
    if (p->next.data) {
        int side = casebus_bytes_compare(agency, key_agency(p->next));
        struct key on = boundary_key(agency, key_order(p->next), side < 0);
        if (side == 0) { /* right behind it */
            on = key_text(p->next);
            on.data[on.size] = 0;
            on.size += on.size < KEY_MAX;
        }
        from = casebus_bytes_compare(key_bytes(&on), key_bytes(&from)) > 0 ? on : from;
    }
    return cursor_seek(&lane->c, key_bytes(&from));
}

/* --- both -------------------------------------------------------------------------------- */

/* Does the lane stand on a row of the list? */
static bool is_inside(const struct page *p, const struct lane *lane)
{
    struct casebus_bytes key = lane->c.key;
    if (p->by_date) {
        struct key first = down_to(p, agency_of(lane));
        return casebus_bytes_compare(key, key_bytes(&first)) >= 0;
    }
    struct key first = first_name(p, agency_of(lane));
    return key.size >= first.size && memcmp(key.data, first.data, first.size) == 0;
}

static void open_lane(struct query *q, struct lanes *l, struct casebus_bytes agency)
{
    struct lane *lane = &l->lane[l->count++];
    lane->agency_size = agency.size;
    memcpy(lane->agency, agency.data, agency.size);
    cursor_open(&lane->c, q->txn, l->p->by_date ? TREE_DATE : TREE_OFFENDER);
    bool moved = l->p->by_date ? seek_date(l->p, lane) : seek_name(l->p, lane);
    lane->at = moved && is_inside(l->p, lane);
    q->work++;
}

static void open_lanes(struct query *q, struct lanes *l)
{
    struct cursor c;
    if (l->p->agency.data) {
        open_lane(q, l, l->p->agency);
        return;
    }
    cursor_open(&c, q->txn, TREE_AGENCY);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1));
         at && l->count < CASEBUS_AGENCIES_MAX && c.key.size <= CASEBUS_AGENCY_MAX;
         at = cursor_next(&c)) {
        if (scope_covers(q->scope, c.key)) {
            open_lane(q, l, c.key);
        }
    }
    cursor_close(&c);
}

/* The lane whose row comes first; NULL: all are at their end. Lanes are in the order of their
 * agencies. */
static struct lane *first_lane(struct lanes *l)
{
    struct lane *best = NULL;
    for (unsigned i = 0; i < l->count; i++) {
        struct lane *lane = &l->lane[i];
        if (!lane->at) {
            continue;
        }
        int side =
            best ? casebus_bytes_compare(key_order(lane->c.key), key_order(best->c.key)) : 0;
        if (!best || (l->p->by_date ? side >= 0 : side < 0)) {
            best = lane;
        }
    }
    return best;
}

static void add_row_of(struct query *q, const struct page *p, const struct lane *lane)
{
    struct casebus_bytes id =
        p->by_date ? key_date_id(lane->c.key, NULL) : key_offender_id(lane->c.key);
    struct key case_id = key_named(agency_of(lane), id);
    q->work++;
    if (id.size > 0) { /* an offender himself stands before his cases */
        add_case(q, key_bytes(&case_id), 0, p);
    }
}

struct key list_index(struct query *q, const struct page *p)
{
    struct lanes lanes = {.p = p};
    struct key next = {.size = 0};
    struct lane *lane;
    open_lanes(q, &lanes);
    while ((lane = first_lane(&lanes)) != NULL && more_rows(q, p->limit)) {
        add_row_of(q, p, lane);
        next = key_text(lane->c.key);
        lane->at =
            (p->by_date ? cursor_prev(&lane->c) : cursor_next(&lane->c)) && is_inside(p, lane);
    }
    if (!lane) {
        next.size = 0;
    }
    for (unsigned i = 0; i < lanes.count; i++) {
        cursor_close(&lanes.lane[i].c);
    }
    return next;
}
