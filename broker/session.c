/* Packs a session: what its worker said of it, then what the broker counted. */
#include "session.h"

static void pack_number(msgpack_packer *pk, const char *name, uint64_t value)
{
    casebus_pack_text(pk, name);
    msgpack_pack_uint64(pk, value);
}

/* The pairs of an encoded map, without its header. */
static unsigned pack_pairs_of(msgpack_packer *pk, struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    uint32_t n = map.data ? casebus_read_map(&r) : 0;
    for (uint32_t i = 0; pk && i < n; i++) {
        casebus_pack_raw(pk, casebus_read_raw(&r));
        casebus_pack_raw(pk, casebus_read_raw(&r));
    }
    return n;
}

void session_pack(msgpack_packer *pk, struct casebus_bytes agency,
                  struct casebus_bytes session_id, const struct session_entry *s)
{
    msgpack_pack_map(pk, 13u + pack_pairs_of(NULL, s->data) + (s->ended_at ? 1u : 0u) +
                             (s->end_reason.size > 0 ? 1u : 0u));
    casebus_pack_text(pk, "session_id");
    casebus_pack_str(pk, session_id);
    casebus_pack_text(pk, "agency");
    casebus_pack_str(pk, agency);
    pack_pairs_of(pk, s->data);
    casebus_pack_text(pk, "status");
    casebus_pack_text(pk,
                      session_status_words[s->status < SESSION_STATUS_COUNT ? s->status : 0]);
    pack_number(pk, "pages_processed", s->pages_processed);
    pack_number(pk, "cases_found", s->created + s->updated + s->existing + s->errors);
    pack_number(pk, "cases_created", s->created);
    pack_number(pk, "cases_updated", s->updated);
    pack_number(pk, "cases_existing", s->existing);
    pack_number(pk, "errors_count", s->errors);
    pack_number(pk, "page_errors", s->page_errors);
    pack_number(pk, "started_at", s->started_at);
    pack_number(pk, "last_seen_at", s->last_seen_at);
    pack_number(pk, "started_seq", s->started_seq);
    if (s->ended_at) {
        pack_number(pk, "ended_at", s->ended_at);
    }
    if (s->end_reason.size > 0) { /* stored, an empty one is none */
        casebus_pack_text(pk, "end_reason");
        casebus_pack_str(pk, s->end_reason);
    }
}
