/* Reading arguments and packing pages: what every operation does alike. */
#include "query.h"

int bad_arg(struct query *q, const char *name, const char *text)
{
    snprintf(q->field, sizeof q->field, "%s", name);
    snprintf(q->text, sizeof q->text, "%s: %s", name, text);
    return CASEBUS_EINVAL;
}

void read_args(struct query *q)
{
    struct casebus_reader r;
    casebus_reader_init(&r, q->request.map);
    q->arg_count = casebus_read_map(&r);
    q->args_kept = q->arg_count < ARGS_KEPT ? q->arg_count : ARGS_KEPT;
    for (unsigned i = 0; i < q->args_kept; i++) {
        q->args[i].key = casebus_read_str(&r);
        q->args[i].value = casebus_read_raw(&r);
    }
}

struct casebus_bytes arg_raw(const struct query *q, const char *name)
{
    const struct casebus_bytes wanted = casebus_cstr(name);
    for (unsigned i = 0; i < q->args_kept; i++) {
        if (casebus_bytes_equal(q->args[i].key, wanted)) {
            return q->args[i].value;
        }
    }
    return q->arg_count > q->args_kept ? casebus_map_get(q->request.map, name)
                                       : casebus_bytes(NULL, 0);
}

int arg_text(struct query *q, const char *name, bool required, struct casebus_bytes *text)
{
    struct casebus_bytes raw = arg_raw(q, name);
    *text = casebus_bytes(NULL, 0);
    if (!raw.data) {
        return required ? bad_arg(q, name, "is required") : 0;
    }
    *text = casebus_as_str(raw);
    return text->data ? 0 : bad_arg(q, name, "must be text");
}

int arg_number(struct query *q, const char *name, uint64_t min, uint64_t max, uint64_t missing,
               uint64_t *number)
{
    struct casebus_bytes raw = arg_raw(q, name);
    *number = missing;
    if (!raw.data) {
        return missing < min || missing > max ? bad_arg(q, name, "is required") : 0;
    }
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    if (casebus_peek(&r) != CASEBUS_UINT) {
        return bad_arg(q, name, "must be an integer, 0 or more");
    }
    *number = casebus_read_uint(&r);
    return *number < min || *number > max ? bad_arg(q, name, "is out of its range") : 0;
}

int arg_bin(struct query *q, const char *name, size_t size, bool required,
            struct casebus_bytes *bin)
{
    struct casebus_bytes raw = arg_raw(q, name);
    *bin = casebus_bytes(NULL, 0);
    if (!raw.data) {
        return required ? bad_arg(q, name, "is required") : 0;
    }
    *bin = casebus_as_bin(raw);
    if (!bin->data || (size > 0 && bin->size != size) || bin->size > KEY_MAX) {
        return bad_arg(q, name, "must be bin of the right size");
    }
    return 0;
}

int arg_array(struct query *q, const char *name, uint32_t max, struct casebus_reader *r,
              uint32_t *count)
{
    struct casebus_bytes raw = arg_raw(q, name);
    casebus_reader_init(r, raw);
    *count = 0;
    if (!raw.data || casebus_peek(r) != CASEBUS_ARRAY) {
        return bad_arg(q, name, "must be an array");
    }
    *count = casebus_read_array(r);
    if (*count < 1 || *count > max) {
        return bad_arg(q, name, "has too few or too many values");
    }
    return 0;
}

int arg_bool(struct query *q, const char *name, bool *value)
{
    struct casebus_bytes raw = arg_raw(q, name);
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    *value = false;
    if (raw.data && casebus_peek(&r) != CASEBUS_BOOL) {
        return bad_arg(q, name, "must be true or false");
    }
    *value = raw.data && casebus_read_bool(&r);
    return 0;
}

int arg_limit(struct query *q, uint64_t *limit)
{
    return arg_number(q, "limit", 1, CASEBUS_PAGE_MAX, CASEBUS_PAGE_DEFAULT, limit);
}

int arg_as_of(struct query *q, uint64_t *as_of)
{
    return arg_number(q, "as_of", 0, UINT64_MAX - 1, q->state.seq, as_of);
}

bool more_rows(const struct query *q, uint64_t limit)
{
    return q->row_count < limit && q->work < WORK_MAX &&
           q->reader->rows.size < CASEBUS_REPLY_MAX && txn_error(q->txn) == 0;
}

void place_rows(struct query *q)
{
    q->reader->rows_at = q->reader->reply.size;
}

void pack_rows(struct query *q, const char *name)
{
    casebus_pack_text(&q->pk, name);
    msgpack_pack_array(&q->pk, q->row_count);
    place_rows(q);
}

void pack_next(struct query *q, const struct key *next)
{
    if (next->size > 0) {
        casebus_pack_text(&q->pk, "next");
        casebus_pack_bin(&q->pk, key_bytes(next));
    }
}

void pack_uint(msgpack_packer *pk, const char *name, uint64_t value)
{
    casebus_pack_text(pk, name);
    msgpack_pack_uint64(pk, value);
}

void pack_moment(struct query *q, uint64_t as_of, uint64_t newer)
{
    pack_uint(&q->pk, "as_of", as_of);
    pack_uint(&q->pk, "newer", newer);
}
