/* Passwords, on a thread of their own.
 *
 * Contract: a job belongs to whoever took it out of a list, under the lock; the loop's thread
 * puts jobs in and takes what is done out, the other one does them. A descriptor says that
 * something is done. */
#include "hasher.h"

#include <casebus/errors.h>

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
    struct job *next;
    hasher_done *done;
    void *arg; /* NULL: nobody wants to know; the loop's thread alone looks at it */
    bool known, sets;
    struct account account; /* sets: its name only */
    char token[256], password[PASSWORD_MAX + 1];
    int rc;
    char why[512];
};

struct hasher {
    const char *path;
    int descriptor;
    pthread_t thread;
    bool has_thread;
    unsigned count;                          /* in either list, and the one that is worked at */
    struct job *pending[HASHER_WAITING_MAX]; /* all that are not told: for forgetting */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wanted;
    bool ending;
    struct job *todo, *finished; /* oldest first */
};

/* --- the other thread --------------------------------------------------------------------- */

static void append(struct job **at, struct job *job)
{
    while (*at != NULL) {
        at = &(*at)->next;
    }
    job->next = NULL;
    *at = job;
}

static void work(const struct hasher *self, struct job *job)
{
    if (job->sets) {
        job->rc = accounts_set_password(self->path, job->account.name, job->token,
                                        job->password, job->why, sizeof job->why);
    } else {
        job->rc = password_fits(job->known ? &job->account : NULL, job->password)
                      ? 0
                      : CASEBUS_EDECIDED;
    }
    sodium_memzero(job->password, sizeof job->password);
    sodium_memzero(job->token, sizeof job->token);
}

static void *run(void *arg)
{
    struct hasher *const self = arg;
    pthread_mutex_lock(&self->lock);
    while (!self->ending) {
        struct job *const job = self->todo;
        if (job == NULL) {
            pthread_cond_wait(&self->wanted, &self->lock);
            continue;
        }
        self->todo = job->next;
        pthread_mutex_unlock(&self->lock);
        work(self, job);
        pthread_mutex_lock(&self->lock);
        append(&self->finished, job);
        eventfd_write(self->descriptor, 1);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* --- made and ended ----------------------------------------------------------------------- */

/* Signals are the loop's. */
static bool start(struct hasher *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    self->has_thread = pthread_create(&self->thread, NULL, run, self) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return self->has_thread;
}

int hasher_new(struct hasher **self_p, const char *path)
{
    struct hasher *self = calloc(1, sizeof *self);
    *self_p = NULL;
    if (self == NULL) {
        return CASEBUS_ENOMEM;
    }
    self->path = path;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wanted, NULL);
    self->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->descriptor < 0 || !start(self)) {
        hasher_destroy(&self);
        return CASEBUS_EIO;
    }
    *self_p = self;
    return 0;
}

static void job_free(struct job *job)
{
    sodium_memzero(job, sizeof *job);
    free(job);
}

void hasher_destroy(struct hasher **self_p)
{
    struct hasher *const self = *self_p;
    *self_p = NULL;
    if (self == NULL) {
        return;
    }
    if (self->has_thread) {
        pthread_mutex_lock(&self->lock);
        self->ending = true;
        pthread_cond_signal(&self->wanted);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
    }
    for (unsigned i = 0; i < self->count; i++) {
        job_free(self->pending[i]);
    }
    if (self->descriptor >= 0) {
        close(self->descriptor);
    }
    pthread_cond_destroy(&self->wanted);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* --- the loop's thread -------------------------------------------------------------------- */

int hasher_descriptor(const struct hasher *self)
{
    return self->descriptor;
}

static void put(struct hasher *self, struct job *job)
{
    self->pending[self->count++] = job;
    pthread_mutex_lock(&self->lock);
    append(&self->todo, job);
    pthread_cond_signal(&self->wanted);
    pthread_mutex_unlock(&self->lock);
}

/* False: it does not fit, so it is nobody's. */
static bool copy(char *to, size_t room, const char *from)
{
    const size_t size = strlen(from);
    if (size < room) {
        memcpy(to, from, size + 1);
    }
    return size < room;
}

static int new_job(struct hasher *self, struct job **job_p, hasher_done *done, void *arg)
{
    if (self->count == HASHER_WAITING_MAX) {
        return CASEBUS_EBUSY;
    }
    *job_p = calloc(1, sizeof **job_p);
    if (*job_p == NULL) {
        return CASEBUS_ENOMEM;
    }
    (*job_p)->done = done;
    (*job_p)->arg = arg;
    return 0;
}

int hasher_check(struct hasher *self, const struct account *account, const char *password,
                 hasher_done *done, void *arg)
{
    struct job *job;
    const int rc = new_job(self, &job, done, arg);
    if (rc != 0) {
        return rc;
    }
    job->known = copy(job->password, sizeof job->password, password) && account != NULL;
    if (job->known) {
        job->account = *account;
    }
    put(self, job);
    return 0;
}

int hasher_set(struct hasher *self, const char *name, const char *token, const char *password,
               hasher_done *done, void *arg)
{
    struct job *job;
    const int rc = new_job(self, &job, done, arg);
    if (rc != 0) {
        return rc;
    }
    job->sets = true;
    if (!copy(job->account.name, sizeof job->account.name, name) ||
        !copy(job->token, sizeof job->token, token)) {
        job->account.name[0] = '\0'; /* no account's name */
    }
    if (!copy(job->password, sizeof job->password, password)) {
        job->password[0] = '\0'; /* refused for its length, as it must be */
    }
    put(self, job);
    return 0;
}

void hasher_forget(struct hasher *self, const void *arg)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (self->pending[i]->arg == arg) {
            self->pending[i]->arg = NULL;
        }
    }
}

static struct job *take_finished(struct hasher *self)
{
    pthread_mutex_lock(&self->lock);
    struct job *const job = self->finished;
    self->finished = job != NULL ? job->next : NULL;
    pthread_mutex_unlock(&self->lock);
    return job;
}

static void unlist(struct hasher *self, const struct job *job)
{
    unsigned i = 0;
    while (self->pending[i] != job) {
        i++;
    }
    self->pending[i] = self->pending[--self->count];
}

void hasher_step(struct hasher *self)
{
    eventfd_t unused;
    struct job *job;
    eventfd_read(self->descriptor, &unused); /* nothing there is fine too */
    while ((job = take_finished(self)) != NULL) {
        unlist(self, job);
        if (job->arg != NULL) {
            job->done(job->arg, job->rc, job->why);
        }
        job_free(job);
    }
}
