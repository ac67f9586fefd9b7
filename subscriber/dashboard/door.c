/* The door: signing in, out, and setting a password.
 *
 * The cookie says who asks. Beyond TLS its name begins with __Host-, so a browser takes it from
 * this host alone, over TLS; on plain loopback it cannot, and has another name, so that the one
 * is never taken for the other. SameSite=Strict keeps it at home; what changes anything is
 * checked by its Origin too (guard.h), signing in and out included.
 *
 * A wrong name and a wrong password are answered with the same words after the same work. */
#include "door.h"

#include "pages.h"
#include "routes.h"
#include "server.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_TLS "__Host-casebus"
#define COOKIE_PLAIN "casebus"
#define NEXT_MAX 2048

/* A password that is being looked at. */
struct attempt {
    struct request *request;
    bool here;
    int rc;
    char why[512];
    struct account account;          /* of a login: what the password is compared with */
    char name[ACCOUNT_NAME_MAX + 1]; /* as typed; empty: no name */
    char next[NEXT_MAX + 1];
};

/* --- who asks ----------------------------------------------------------------------------- */

static const char *cookie_name(const struct request *request)
{
    return request->peer.tls ? COOKIE_TLS : COOKIE_PLAIN;
}

/* Where to go after signing in: the path that was asked for, where it is one of ours, or
 * "/". */
static const char *safe_next(const char *next)
{
    const bool ours = next != NULL && next[0] == '/' && next[1] != '/' && next[1] != '\\' &&
                      strlen(next) <= NEXT_MAX;
    for (const char *at = next; ours && *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return "/";
        }
    }
    return ours ? next : "/";
}

static void send_to_login(struct request *request)
{
    struct text to = {0};
    const char *const next = safe_next(request->target);
    text_add(&to, "/login");
    if (strcmp(next, "/") != 0) {
        text_add(&to, "?next=");
        url_add(&to, casebus_cstr(next));
    }
    request_redirect(request, text_get(&to));
    text_free(&to);
}

/* Does the request show that a person is at the browser? What a page fetches by itself does
 * not. */
static bool is_used(const struct request *request)
{
    const char *const mode =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Sec-Fetch-Mode");
    return request->route->post ||
           (!request->route->stream && (mode == NULL || strcmp(mode, "navigate") == 0));
}

/* Refuses somebody who is not signed in; a page redirects to /login. */
static void refuse_stranger(struct request *request)
{
    if (request->route->post || request->route->stream || request_is_api(request) ||
        request->route->file) {
        request_refuse_text(request, 401, "login", "nobody has signed in, or not any more");
    } else {
        send_to_login(request);
    }
}

void door_check(struct request *request)
{
    struct people *const people = request->dashboard->people;
    if (people == NULL) {
        return;
    }
    const char *const id =
        MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, cookie_name(request));
    if (!people_identify(people, id, is_used(request), &request->person) &&
        !request->route->open) {
        refuse_stranger(request);
    }
}

void door_check_again(struct request *request)
{
    if (!request->route->open &&
        !people_has(request->dashboard->people, request->person.login)) {
        refuse_stranger(request);
    }
}

/* --- pages -------------------------------------------------------------------------------- */

static void answer_page(struct request *request, unsigned status, const char *page,
                        const char *problem)
{
    static const char *const names[] = {"name", "next"};
    const struct attempt *const attempt = request->attempt;
    struct slots slots = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *const given = request_parameter(request, names[i]);
        slot_words(&slots, names[i], casebus_cstr(given != NULL ? given : ""));
    }
    if (attempt != NULL) {
        slot_words(&slots, "name", casebus_cstr(attempt->name));
        slot_words(&slots, "next", casebus_cstr(attempt->next));
    }
    if (problem != NULL) {
        text_add(slot_get(&slots, "problem"), "<p class=\"problem\" role=\"alert\">");
        slot_words(&slots, "problem", casebus_cstr(problem));
        text_add(slot_get(&slots, "problem"), "</p>");
    }
    text_clear(&request->body);
    template_door(page, casebus_cstr(strcmp(page, "login") == 0 ? "Sign in" : "Set a password"),
                  &slots, &request->body);
    request_answer(request, status, "text/html; charset=utf-8");
}

/* Without accounts there is no door. */
static bool refuse_without_people(struct request *request)
{
    if (request->dashboard->people == NULL) {
        request_refuse_text(request, 404, "not_found",
                            "there are no accounts here (--accounts), so nobody signs in");
    }
    return request->dashboard->people == NULL;
}

void door_login_page(struct request *request)
{
    if (!refuse_without_people(request)) {
        answer_page(request, 200, "login", NULL);
    }
}

void door_setup_page(struct request *request)
{
    if (!refuse_without_people(request)) {
        answer_page(request, 200, "setup", NULL);
    }
}

/* --- an attempt --------------------------------------------------------------------------- */

static void attempt_done(void *arg, int rc, const char *why)
{
    struct attempt *const attempt = arg;
    attempt->here = true;
    attempt->rc = rc;
    snprintf(attempt->why, sizeof attempt->why, "%s", why);
    attempt->request->waiting--;
    request_go_on(attempt->request);
}

void door_forget(struct request *request)
{
    struct attempt *const attempt = request->attempt;
    if (attempt == NULL) {
        return;
    }
    if (request->dashboard->people != NULL && !attempt->here) {
        hasher_forget(people_hasher(request->dashboard->people), attempt);
    }
    free(attempt);
}

/* The body, taken apart, which holds a password: to be ended with end_form(). False after a
 * refusal. */
static bool read_form(struct request *request, struct url *form)
{
    static const char before[] = "/?"; /* as if it were a query */
    struct text target = {0};
    text_add(&target, before);
    text_add_bytes(&target, text_get(&request->upload), request->upload.size);
    const int rc = target.failed
                       ? CASEBUS_ENOMEM
                       : url_parse(form, text_get(&target), strlen(before) + BODY_MAX);
    sodium_memzero(target.data, target.size);
    text_free(&target);
    if (rc != 0) {
        url_free(form);
        request_refuse_text(request, 400, "malformed", "the form cannot be read");
    }
    return rc == 0;
}

static void end_form(struct request *request, struct url *form)
{
    for (unsigned i = 0; i < form->parameter_count; i++) {
        sodium_memzero((char *)form->parameter[i].value, strlen(form->parameter[i].value));
    }
    if (request->upload.data != NULL) {
        sodium_memzero(request->upload.data, request->upload.size);
    }
    url_free(form);
}

static const char *field(const struct url *form, const char *name)
{
    const char *const value = url_parameter(form, name);
    return value != NULL ? value : "";
}

static struct attempt *new_attempt(struct request *request, const struct url *form)
{
    struct attempt *const self = calloc(1, sizeof *self);
    const char *const name = field(form, "name");
    request->attempt = self;
    if (self == NULL) {
        request_refuse_text(request, 503, "no_memory", "out of memory");
        return NULL;
    }
    self->request = request;
    self->here = true;
    if (account_name_valid(name)) {
        snprintf(self->name, sizeof self->name, "%s", name);
    }
    snprintf(self->next, sizeof self->next, "%s", safe_next(url_parameter(form, "next")));
    return self;
}

/* False after a refusal: it was tried too often. */
static bool may_try(struct request *request, const char *page)
{
    const int64_t wait =
        people_try(request->dashboard->people, &request->peer, request->attempt->name);
    if (wait == 0) {
        return true;
    }
    request->retry_after = (unsigned)(wait / 1000 + 1);
    fprintf(stderr, PROGRAM ": audit: %s refused, too many tries, address %s\n", page,
            request->peer.address);
    answer_page(request, 429, page, "This was tried too often. Wait a little, then try again.");
    return false;
}

static void wait_for(struct request *request, const char *page, int rc)
{
    if (rc == 0) {
        request->attempt->here = false;
        request->waiting++;
        return;
    }
    people_give_back(request->dashboard->people, &request->peer, request->attempt->name);
    request->retry_after = 2;
    answer_page(request, 503, page, "Too many people are signing in. Try again in a moment.");
}

/* --- signing in --------------------------------------------------------------------------- */

static void begin_login(struct request *request)
{
    struct people *const people = request->dashboard->people;
    struct url form;
    if (!read_form(request, &form)) {
        return;
    }
    struct attempt *const attempt = new_attempt(request, &form);
    if (attempt != NULL && may_try(request, "login")) {
        const struct account *const account = people_account(people, attempt->name);
        if (account != NULL) {
            attempt->account = *account;
        }
        wait_for(request, "login",
                 hasher_check(people_hasher(people), account, field(&form, "password"),
                              attempt_done, attempt));
    }
    end_form(request, &form);
}

static void set_cookie(struct request *request, const char *id, const char *more)
{
    text_clear(&request->cookie);
    text_format(&request->cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
                cookie_name(request), id, request->peer.tls ? "; Secure" : "", more);
}

/* The account may have changed while its password was looked at. */
static bool is_right(struct people *people, const struct attempt *attempt)
{
    const struct account *const account = people_account(people, attempt->name);
    return attempt->rc == 0 && account != NULL &&
           strcmp(account->password, attempt->account.password) == 0 &&
           strcmp(account->actor, attempt->account.actor) == 0;
}

static void end_login(struct request *request)
{
    struct people *const people = request->dashboard->people;
    const struct attempt *const attempt = request->attempt;
    char id[LOGIN_ID_SIZE];
    if (!is_right(people, attempt)) {
        fprintf(stderr, PROGRAM ": audit: login refused, account %s, address %s\n",
                attempt->account.name[0] != '\0' ? attempt->account.name : "unknown",
                request->peer.address);
        answer_page(request, 403, "login", "Name and password do not belong together.");
        return;
    }
    people_give_back(people, &request->peer, attempt->name);
    people_end(people, request->person.login); /* whatever this browser was before */
    if (people_begin(people, &attempt->account, id) != 0) {
        request_refuse_text(request, 503, "no_memory", "out of memory");
        return;
    }
    fprintf(stderr, PROGRAM ": audit: login, account %s, address %s\n", attempt->name,
            request->peer.address);
    set_cookie(request, id, "");
    sodium_memzero(id, sizeof id);
    request_redirect(request, attempt->next);
}

void door_login(struct request *request)
{
    if (refuse_without_people(request)) {
        return;
    }
    if (request->attempt == NULL) {
        begin_login(request);
    } else {
        end_login(request);
    }
}

void door_logout(struct request *request)
{
    if (refuse_without_people(request)) {
        return;
    }
    people_end(request->dashboard->people, request->person.login);
    set_cookie(request, "", "; Max-Age=0");
    request_redirect(request, "/login");
}

/* --- setting a password ------------------------------------------------------------------- */

static void begin_setup(struct request *request)
{
    struct url form;
    if (!read_form(request, &form)) {
        return;
    }
    struct attempt *const attempt = new_attempt(request, &form);
    const char *const password = field(&form, "password");
    if (attempt != NULL && strcmp(password, field(&form, "again")) != 0) {
        answer_page(request, 400, "setup", "The two passwords are not the same.");
    } else if (attempt != NULL && may_try(request, "setup")) {
        wait_for(request, "setup",
                 hasher_set(people_hasher(request->dashboard->people), attempt->name,
                            field(&form, "token"), password, attempt_done, attempt));
    }
    end_form(request, &form);
}

/* What came of it; accounts.h says after which codes the file is the old one. */
static const char *words_of(const struct attempt *attempt, bool theirs)
{
    if (theirs) {
        return attempt->why;
    }
    if (attempt->rc == CASEBUS_EIO) {
        return "It is not certain that the password was stored. Try to sign in with it; where "
               "that fails, set it again.";
    }
    return "The password was not stored. Try again in a moment.";
}

static void end_setup(struct request *request)
{
    const struct attempt *const attempt = request->attempt;
    if (attempt->rc != CASEBUS_EDECIDED) { /* no token was guessed */
        people_give_back(request->dashboard->people, &request->peer, attempt->name);
    }
    if (attempt->rc != 0) {
        fprintf(stderr, PROGRAM ": audit: setup refused, address %s: %s\n",
                request->peer.address, attempt->why);
        const bool theirs = attempt->rc == CASEBUS_EDECIDED || attempt->rc == CASEBUS_EVALUE;
        answer_page(request, theirs ? 403 : 503, "setup", words_of(attempt, theirs));
        return;
    }
    fprintf(stderr, PROGRAM ": audit: password set, account %s, address %s\n", attempt->name,
            request->peer.address);
    request_redirect(request, "/login");
}

void door_setup(struct request *request)
{
    if (refuse_without_people(request)) {
        return;
    }
    if (request->attempt == NULL) {
        begin_setup(request);
    } else {
        end_setup(request);
    }
}
