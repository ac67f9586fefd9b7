/* Requests within the limits of their actor: the one they are for, whoever speaks for him.
 *
 * All hands answer requests, so that what actors have used stands behind a lock; where none is
 * limited nobody takes it for what only reads. */
#include "query.h"

static int over(struct query *q, struct account *account, enum limit limit, uint64_t value,
                int64_t now)
{
    char where[CASEBUS_KEY_NAME_MAX + 64];
    snprintf(where, sizeof where, "op=%s%s%s", casebus_op_name(q->request.op),
             q->by ? " by=" : "", q->by ? q->by->name : "");
    quota_refuse(q->self->quota, account, limit, value, now, where);
    limit_say(limit, value, q->text);
    return CASEBUS_ELIMITED;
}

int check_rate(struct query *q, size_t size)
{
    const struct limits *limits = q->self->options->gate->limits;
    const uint64_t more[LIMIT_COUNT] = {[LIMIT_REQUESTS] = 1, [LIMIT_BYTES] = size};
    int rc = 0;
    if (limit_of(limits, LIMIT_REQUESTS) == 0 && limit_of(limits, LIMIT_BYTES) == 0) {
        return 0;
    }
    pthread_mutex_lock(&q->self->quota_lock);
    const int64_t now = quota_now();
    struct account *account = quota_account(q->self->quota, q->who->name);
    enum limit limit = account_take(account, limits, more, now);
    if (limit != LIMIT_COUNT) {
        rc = over(q, account, limit, limit_of(limits, limit), now);
    }
    pthread_mutex_unlock(&q->self->quota_lock);
    return rc;
}

int check_waiting(struct query *q)
{
    const uint64_t value = limit_of(q->self->options->gate->limits, LIMIT_WAITING);
    int rc = 0;
    pthread_mutex_lock(&q->self->quota_lock);
    struct account *account = quota_account(q->self->quota, q->who->name);
    if (value > 0 && account->waiting >= value) {
        rc = over(q, account, LIMIT_WAITING, value, quota_now());
    }
    pthread_mutex_unlock(&q->self->quota_lock);
    return rc;
}

void count_waiter(struct queries *self, const char *actor, int change)
{
    pthread_mutex_lock(&self->quota_lock);
    struct account *account = quota_account(self->quota, actor);
    if (change > 0) {
        account->waiting++;
    } else if (account->waiting > 0) {
        account->waiting--;
    }
    pthread_mutex_unlock(&self->quota_lock);
}
