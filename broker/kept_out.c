/* A short list behind a lock; see kept_out.h. */
#include "kept_out.h"

#include "actors.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_OUT_MAX 256

struct kept_out {
    pthread_mutex_t lock;
    struct {
        char actor[ACTOR_NAME_SIZE];
        int64_t until;
    } entry[KEPT_OUT_MAX];
};

struct kept_out *kept_out_new(void)
{
    struct kept_out *self = calloc(1, sizeof *self);
    if (self) {
        pthread_mutex_init(&self->lock, NULL);
    }
    return self;
}

void kept_out_destroy(struct kept_out **self_p)
{
    if (*self_p) {
        pthread_mutex_destroy(&(*self_p)->lock);
        free(*self_p);
        *self_p = NULL;
    }
}

/* His entry, or the one that ends first. */
static unsigned find(const struct kept_out *self, const char *actor)
{
    unsigned first = 0;
    for (unsigned i = 0; i < KEPT_OUT_MAX; i++) {
        if (strcmp(self->entry[i].actor, actor) == 0) {
            return i;
        }
        first = self->entry[i].until < self->entry[first].until ? i : first;
    }
    return first;
}

void kept_out_add(struct kept_out *self, const char *actor, int64_t until)
{
    pthread_mutex_lock(&self->lock);
    unsigned i = find(self, actor);
    snprintf(self->entry[i].actor, sizeof self->entry[i].actor, "%s", actor);
    self->entry[i].until = until;
    pthread_mutex_unlock(&self->lock);
}

int64_t kept_out_for(struct kept_out *self, const char *actor, int64_t now)
{
    pthread_mutex_lock(&self->lock);
    unsigned i = find(self, actor);
    bool his = strcmp(self->entry[i].actor, actor) == 0;
    int64_t until = his ? self->entry[i].until : now;
    pthread_mutex_unlock(&self->lock);
    return until > now ? until - now : 0;
}
