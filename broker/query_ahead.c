/* Cases that are asked for one by one, found for several requests at a time.
 *
 * What a get reads first of a case lies somewhere in the file, and the processor waits for it.
 * Where requests have queued, the cases of the next ones are found before they are answered,
 * so that their bytes come from memory side by side. It is no more than that: what a request
 * may see, and what is wrong with it, is decided when it is answered. */
#include "query.h"

static struct casebus_bytes got_id(struct asked *a)
{
    struct casebus_bytes body = casebus_bytes(zmq_msg_data(&a->body), zmq_msg_size(&a->body));
    return a->op == CASEBUS_OP_CASE_GET ? casebus_as_str(casebus_map_get(body, "id"))
                                        : casebus_bytes(NULL, 0);
}

void look_ahead(struct reader *self, struct asked *const *asked, unsigned count)
{
    uint64_t seqs[LOG_AHEAD_MAX];
    unsigned events = 0;
    for (unsigned i = 0; i < count; i++) {
        struct found_case *found = &self->ahead[i];
        found->id = got_id(asked[i]);
        if (!found->id.data ||
            !txn_read(self->txn, TREE_CASE, found->id, ENTRY_CASE, &found->entry)) {
            found->id = casebus_bytes(NULL, 0);
            txn_forgive(self->txn); /* who asked for it is told when it is his turn */
        } else if (!found->entry.record.data) {
            seqs[events++] = found->entry.record_seq;
        }
    }
    txn_log_ahead(self->txn, seqs, events);
    txn_forgive(self->txn);
}
