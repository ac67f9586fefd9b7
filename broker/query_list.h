/* What the lists of cases share. Private to query_list.c and query_index.c. */
#ifndef BROKER_QUERY_LIST_H
#define BROKER_QUERY_LIST_H

#include "query.h"

#include "normal.h"

/* Of a normalised name: shorter than what a key keeps of a long one. */
#define OFFENDER_PREFIX_MAX 200

/* The arguments of a list. */
struct page {
    struct search search;
    struct casebus_bytes agency, session, from, to, next;
    struct normal offender; /* the beginning of a normalised name; size 0: not asked for */
    uint64_t limit, as_of;
    bool by_date;
};

/* By action date, or by an offender's name. */
static inline bool by_index(const struct page *p)
{
    return p->by_date || p->offender.size > 0;
}

/* Adds a case to the rows if it is there and, with created_seq, is the one created then. */
void add_case(struct query *q, struct casebus_bytes id, uint64_t created_seq,
              const struct page *p);

/* Adds the cases of a list in the order of its index; where the next page begins, size 0:
 * nowhere. */
struct key list_index(struct query *q, const struct page *p);
/* Is `next` a key of the index, as a reply to these arguments can have had it? */
bool index_next_valid(const struct page *p);

#endif
