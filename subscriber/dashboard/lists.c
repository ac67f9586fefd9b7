/* Lists that people see: cases, sessions, and what a session met.
 *
 * The pages' scripts make the same rows out of events: a row says the same whether it was there
 * when the page came or was put in later. */
#include "lists.h"

#include "url.h"

#include <string.h>

struct list list_of(struct casebus_bytes array)
{
    struct list list;
    casebus_reader_init(&list.reader, array);
    list.left = array.size > 0 ? casebus_read_array(&list.reader) : 0;
    return list;
}

bool list_next(struct list *self, struct casebus_bytes *row)
{
    if (self->left == 0) {
        return false;
    }
    self->left--;
    *row = casebus_read_raw(&self->reader);
    return self->reader.error == 0;
}

struct casebus_bytes member_text(struct casebus_bytes map, const char *key)
{
    return casebus_as_str(casebus_map_get(map, key));
}

uint64_t member_number(struct casebus_bytes map, const char *key)
{
    return casebus_as_uint(casebus_map_get(map, key), 0);
}

void name_agency(struct text *out, struct casebus_bytes record)
{
    const struct casebus_bytes name = member_text(record, "name");
    html_add(out, member_text(record, "code"));
    if (name.size > 0) {
        text_add(out, " – ");
        html_add(out, name);
    }
}

/* --- addresses ---------------------------------------------------------------------------- */

void address_case(struct text *out, struct casebus_bytes id)
{
    text_add(out, "/cases/");
    url_add(out, id);
}

/* A browser takes "." and ".." out of a path, however they are written: the front page lists
 * such a session's cases. */
void address_session(struct text *out, struct casebus_bytes agency, struct casebus_bytes id)
{
    const bool dots = casebus_bytes_is(id, ".") || casebus_bytes_is(id, "..");
    text_add(out, dots ? "/?session=" : "/sessions/");
    url_add(out, agency);
    text_add(out, dots ? "%3A" : "/");
    url_add(out, id);
}

void address_offender(struct text *out, struct casebus_bytes record)
{
    const struct casebus_bytes offender = casebus_map_get(record, "offender");
    const struct casebus_bytes postcode = member_text(offender, "postcode");
    text_add(out, "/offenders?agency=");
    url_add(out, member_text(record, "agency"));
    text_add(out, "&amp;name=");
    url_add(out, member_text(offender, "name"));
    if (postcode.size > 0) {
        text_add(out, "&amp;postcode=");
        url_add(out, postcode);
    }
}

void link_case(struct text *out, struct casebus_bytes id)
{
    text_add(out, "<a href=\"");
    address_case(out, id);
    text_add(out, "\">");
    html_add(out, id);
    text_add(out, "</a>");
}

void link_offender(struct text *out, struct casebus_bytes record)
{
    const struct casebus_bytes name = member_text(casebus_map_get(record, "offender"), "name");
    if (name.size > 0) {
        text_add(out, "<a href=\"");
        address_offender(out, record);
        text_add(out, "\">");
        html_add(out, name);
        text_add(out, "</a>");
    }
}

void link_session(struct text *out, struct casebus_bytes agency, struct casebus_bytes id)
{
    text_add(out, "<a href=\"");
    address_session(out, agency, id);
    text_add(out, "\">");
    html_add(out, agency);
    text_add(out, ":");
    html_add(out, id);
    text_add(out, "</a>");
}

/* --- cases -------------------------------------------------------------------------------- */

/* A count, as the script writes it. */
static void slot_count(struct slots *slots, const char *slot, struct casebus_bytes map,
                       const char *key)
{
    if (casebus_map_get(map, key).data != NULL) {
        text_add_count(slot_get(slots, slot), member_number(map, key));
    }
}

static void fill_case(struct slots *slots, struct casebus_bytes record)
{
    const struct casebus_bytes id = member_text(record, "id");
    const struct casebus_bytes offender = casebus_map_get(record, "offender");
    slot_words(slots, "key", id);
    address_case(slot_get(slots, "href"), id);
    link_offender(slot_get(slots, "offender"), record);
    slot_words(slots, "town", member_text(offender, "town"));
    slot_member(slots, "action_date", record, "offence_action_date");
    slot_member(slots, "result", record, "offence_result");
    slot_member(slots, "fine", record, "offence_fine_pence");
    slot_count(slots, "seen", record, "seen_count");
    slot_count(slots, "version", record, "version");
    slot_member(slots, "added", record, "inserted_at");
    slot_member(slots, "changed", record, "updated_at");
}

void list_case(struct text *out, struct casebus_bytes record)
{
    struct slots slots = {0};
    fill_case(&slots, record);
    template_fill("row_case", &slots, out);
    slots_free(&slots);
}

void list_cases(struct text *out, struct casebus_bytes records, struct casebus_bytes without)
{
    struct list list = list_of(records);
    struct slots slots = {0};
    struct casebus_bytes record;
    while (list_next(&list, &record)) {
        if (without.size == 0 || !casebus_bytes_equal(member_text(record, "id"), without)) {
            slots_clear(&slots);
            fill_case(&slots, record);
            template_fill("row_case", &slots, out);
        }
    }
    slots_free(&slots);
}

void list_related(struct text *out, struct casebus_bytes case_ids)
{
    struct list list = list_of(case_ids);
    struct casebus_bytes id;
    while (list_next(&list, &id)) {
        text_add(out, "<li>");
        link_case(out, casebus_as_str(id));
        text_add(out, "</li>");
    }
}

/* --- sessions ----------------------------------------------------------------------------- */

bool session_is_active(struct casebus_bytes session)
{
    const struct casebus_bytes status = member_text(session, "status");
    return casebus_bytes_is(status, "running") || casebus_bytes_is(status, "stopping") ||
           casebus_bytes_is(status, "lost");
}

static void add_key(struct text *out, struct casebus_bytes session)
{
    html_add(out, member_text(session, "agency"));
    text_add(out, ":");
    html_add(out, member_text(session, "session_id"));
}

static void fill_progress(struct slots *slots, struct casebus_bytes session)
{
    const unsigned long long done = member_number(session, "pages_processed");
    const unsigned long long all = member_number(session, "max_pages");
    struct text *const pages = slot_get(slots, "pages"), *const bar = slot_get(slots, "bar");
    if (done > 0 || all > 0) {
        text_format(pages, "page %llu", done);
    }
    if (all > 0) {
        text_format(pages, " of %llu", all);
        text_format(bar, "<progress max=\"%llu\" value=\"%llu\" aria-label=\"Pages of ", all,
                    done < all ? done : all);
        add_key(bar, session);
        text_add(bar, "\"></progress>");
    }
}

static void add_time_left(struct text *out, double seconds)
{
    const unsigned long long minutes = (unsigned long long)(seconds / 60 + 0.5);
    if (minutes < 1) {
        text_add(out, "under 1 min");
    } else if (minutes < 60) {
        text_format(out, "about %llu min", minutes);
    } else {
        text_format(out, "about %llu h %llu min", minutes / 60, minutes % 60);
    }
}

/* Found for the time between the first and the last sign of life, and how long the pages that
 * are left take at the pace of those that are done. */
static void fill_pace(struct slots *slots, struct casebus_bytes session)
{
    const uint64_t start = member_number(session, "started_at");
    const uint64_t seen = member_number(session, "last_seen_at");
    const double seconds = seen > start ? (double)(seen - start) / 1e6 : 0;
    const uint64_t done = member_number(session, "pages_processed");
    const uint64_t all = member_number(session, "max_pages");
    struct text *const rate = slot_get(slots, "rate");
    if (seconds < 1) {
        return;
    }
    const double each = (double)member_number(session, "cases_found") * 60 / seconds;
    if (each < 10) {
        text_format(rate, "%.1f", each);
    } else {
        text_add_count(rate, (uint64_t)(each + 0.5));
    }
    text_add(rate, " a min");
    if (casebus_bytes_is(member_text(session, "status"), "running") && done > 0 &&
        all >= done) {
        add_time_left(slot_get(slots, "left"), seconds * (double)(all - done) / (double)done);
    }
}

static void fill_session(struct slots *slots, struct casebus_bytes session)
{
    add_key(slot_get(slots, "key"), session);
    address_session(slot_get(slots, "href"), member_text(session, "agency"),
                    member_text(session, "session_id"));
    slot_member(slots, "database", session, "database");
    slot_member(slots, "status", session, "status");
    fill_progress(slots, session);
    slot_count(slots, "found", session, "cases_found");
    slot_count(slots, "created", session, "cases_created");
    slot_count(slots, "updated", session, "cases_updated");
    slot_count(slots, "existing", session, "cases_existing");
    slot_count(slots, "errors", session, "errors_count");
    fill_pace(slots, session);
    slot_member(slots, "worker", session, "worker");
    slot_member(slots, "heard", session, "last_seen_at");
}

void list_session(struct text *out, struct casebus_bytes session)
{
    struct slots slots = {0};
    fill_session(&slots, session);
    template_fill("row_session", &slots, out);
    slots_free(&slots);
}

void list_sessions(struct text *out, struct casebus_bytes sessions)
{
    struct list list = list_of(sessions);
    struct slots slots = {0};
    struct casebus_bytes session;
    while (list_next(&list, &session)) {
        slots_clear(&slots);
        fill_session(&slots, session);
        template_fill("row_session", &slots, out);
    }
    slots_free(&slots);
}

/* --- what a session met ------------------------------------------------------------------- */

/* A refused report may name no case, or one that is not there. */
static void fill_name(struct slots *slots, struct casebus_bytes row)
{
    const struct casebus_bytes id = member_text(row, "id");
    struct text *const key = slot_get(slots, "key"), *const name = slot_get(slots, "name");
    if (id.size == 0) {
        text_format(key, "#%llu", (unsigned long long)member_number(row, "reject"));
        text_add(name, text_get(key));
    } else {
        html_add(key, id);
        if (casebus_map_get(row, "case").data != NULL) {
            link_case(name, id);
        } else {
            html_add(name, id);
        }
    }
}

static void fill_met(struct slots *slots, struct casebus_bytes row)
{
    const struct casebus_bytes record = casebus_map_get(row, "case");
    const struct casebus_bytes code = member_text(row, "code");
    const struct casebus_bytes field = member_text(row, "field");
    const uint64_t times = member_number(row, "times");
    fill_name(slots, row);
    slot_member(slots, "outcome", row, "outcome");
    if (code.size > 0) {
        slot_words(slots, "offender", code);
        text_add(slot_get(slots, "offender"), field.size > 0 ? ": " : "");
        slot_words(slots, "offender", field);
    } else {
        slot_member(slots, "offender", casebus_map_get(record, "offender"), "name");
    }
    slot_member(slots, "fine", record, "offence_fine_pence");
    slot_count(slots, "page", row, "page");
    if (times > 1) {
        text_add_count(slot_get(slots, "times"), times);
    }
    slot_member(slots, "at", row, "at");
}

void list_met(struct text *out, struct casebus_bytes met)
{
    struct list list = list_of(met);
    struct slots slots = {0};
    struct casebus_bytes row;
    while (list_next(&list, &row)) {
        slots_clear(&slots);
        fill_met(&slots, row);
        template_fill("row_met", &slots, out);
    }
    slots_free(&slots);
}
