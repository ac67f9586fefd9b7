/* A heap of work for several hands; see crew.h.
 *
 * Items are taken by an atomic number. The lock is for coming and going: a helper comes only
 * while the heap is open, and the caller closes it and waits until the last has gone, so nobody
 * ever looks at a heap that is no more. */
#include "crew.h"

#include "log.h"

#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>

struct helper {
    struct crew *crew;
    unsigned hand;
    pthread_t thread;
};

struct crew {
    crew_work *work;
    void *arg;
    struct helper helpers[HANDS_MAX - 1];
    unsigned helper_count;
    pthread_mutex_t lock;
    pthread_cond_t opened, gone;
    /* Under the lock: */
    uint64_t heap;    /* its number: a helper comes to each once */
    unsigned helping; /* have come and not gone */
    bool open, ended;
    /* Of the open heap: */
    unsigned count, hands;
    int64_t until;
    atomic_uint next;
};

/* The clock is looked at only where there is more to do: most heaps are of one item. */
static void do_items(struct crew *self, unsigned hand)
{
    do {
        unsigned item = atomic_fetch_add(&self->next, 1);
        if (item >= self->count) {
            return;
        }
        self->work(self->arg, hand, item);
    } while (atomic_load(&self->next) < self->count && zclock_mono() < self->until);
}

static bool is_wanted(const struct crew *self, unsigned hand, uint64_t last)
{
    return self->open && self->heap != last && hand < self->hands;
}

/* False: the crew is dismissed. */
static bool come(struct crew *self, unsigned hand, uint64_t *last)
{
    pthread_mutex_lock(&self->lock);
    while (!self->ended && !is_wanted(self, hand, *last)) {
        pthread_cond_wait(&self->opened, &self->lock);
    }
    bool work = !self->ended;
    self->helping += work;
    *last = self->heap;
    pthread_mutex_unlock(&self->lock);
    return work;
}

static void go(struct crew *self)
{
    pthread_mutex_lock(&self->lock);
    if (--self->helping == 0) {
        pthread_cond_signal(&self->gone);
    }
    pthread_mutex_unlock(&self->lock);
}

static void *help(void *arg)
{
    const struct helper *self = arg;
    uint64_t last = 0;
    log_name_thread("reader");
    while (come(self->crew, self->hand, &last)) {
        do_items(self->crew, self->hand);
        go(self->crew);
    }
    return NULL;
}

static void open_heap(struct crew *self)
{
    pthread_mutex_lock(&self->lock);
    self->heap++;
    self->open = true;
    pthread_cond_broadcast(&self->opened);
    pthread_mutex_unlock(&self->lock);
}

static void close_heap(struct crew *self)
{
    pthread_mutex_lock(&self->lock);
    self->open = false;
    while (self->helping > 0) {
        pthread_cond_wait(&self->gone, &self->lock);
    }
    pthread_mutex_unlock(&self->lock);
}

unsigned crew_do(struct crew *self, unsigned count, unsigned hands, int64_t until)
{
    bool called = hands > 1 && self->helper_count > 0;
    self->hands = hands;
    self->count = count;
    self->until = until;
    atomic_store(&self->next, 0);
    if (called) {
        open_heap(self);
    }
    do_items(self, 0);
    if (called) {
        close_heap(self);
    }
    unsigned begun = atomic_load(&self->next);
    return begun < count ? begun : count;
}

unsigned crew_hands(const struct crew *self)
{
    return 1 + self->helper_count;
}

struct crew *crew_new(unsigned hands, crew_work *work, void *arg)
{
    struct crew *self = calloc(1, sizeof *self);
    if (!self) {
        return NULL;
    }
    self->work = work;
    self->arg = arg;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->opened, NULL);
    pthread_cond_init(&self->gone, NULL);
    while (crew_hands(self) < hands) {
        struct helper *h = &self->helpers[self->helper_count];
        *h = (struct helper){.crew = self, .hand = self->helper_count + 1};
        if (pthread_create(&h->thread, NULL, help, h) != 0) {
            crew_destroy(&self);
            return NULL;
        }
        self->helper_count++;
    }
    return self;
}

void crew_destroy(struct crew **self_p)
{
    struct crew *self = *self_p;
    *self_p = NULL;
    if (!self) {
        return;
    }
    pthread_mutex_lock(&self->lock);
    self->ended = true;
    pthread_cond_broadcast(&self->opened);
    pthread_mutex_unlock(&self->lock);
    for (unsigned i = 0; i < self->helper_count; i++) {
        pthread_join(self->helpers[i].thread, NULL);
    }
    pthread_cond_destroy(&self->gone);
    pthread_cond_destroy(&self->opened);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
