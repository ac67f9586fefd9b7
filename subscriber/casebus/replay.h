/* Reading the event log, page by page.
 *
 *   casebus_replay_new(&replay, client);
 *   casebus_replay_cover(replay, patterns, count);
 *   do {
 *       casebus_replay_ask(replay, after);
 *       if (casebus_replay_page(replay, 5000) != 0) { … }
 *       while (casebus_replay_next(replay, &event) == 1) { … }
 *       after = casebus_replay_through(replay);
 *   } while (!casebus_replay_done(replay));
 *
 * The pages prove themselves: every event of the patterns after `after` and up to `through` was
 * in the page. The client must have no other request on its way between ask and page, and none
 * until the page is used up. */
#ifndef CASEBUS_REPLAY_H
#define CASEBUS_REPLAY_H

#include <casebus/client.h>
#include <casebus/event.h>

struct casebus_replay;

int casebus_replay_new(struct casebus_replay **self_p, struct casebus_client *client);
void casebus_replay_destroy(struct casebus_replay **self_p);

/* Of an audience of the broker's, see casebus_call_audience(). */
int casebus_replay_audience(struct casebus_replay *self, const char *audience);
/* Which events; the texts are borrowed until the next cover. CASEBUS_EINVAL for none or more
 * than CASEBUS_PATTERNS_MAX. */
int casebus_replay_cover(struct casebus_replay *self, const char *const *patterns,
                         size_t count);
/* Asks for the page behind `after`. */
int casebus_replay_ask(struct casebus_replay *self, uint64_t after);
/* Waits for the page: 0, or as casebus_client_receive(). CASEBUS_EBEHIND where the broker has
 * not come as far as `after` (its seq and epoch are known then), CASEBUS_EPROTO where the page
 * proves nothing. */
int casebus_replay_page(struct casebus_replay *self, int timeout_ms);
/* The page's next event, borrowed until the next call: 1, or 0 when it is used up. */
int casebus_replay_next(struct casebus_replay *self, const struct casebus_event **event);
/* The same without decoding it: its two frames. */
int casebus_replay_next_frames(struct casebus_replay *self, struct casebus_bytes *topic,
                               struct casebus_bytes *body);

uint64_t casebus_replay_through(const struct casebus_replay *self);
/* The page ends where the broker stood when it answered. */
bool casebus_replay_done(const struct casebus_replay *self);
/* Events up to this seq may have been trimmed from the log; 0: nothing is missing. */
uint64_t casebus_replay_gone(const struct casebus_replay *self);
/* The broker's newest seq, and its history, when it answered. */
uint64_t casebus_replay_seq(const struct casebus_replay *self);
const unsigned char *casebus_replay_epoch(const struct casebus_replay *self);
/* What the last reply said, where it was a refusal. */
struct casebus_bytes casebus_replay_error_text(const struct casebus_replay *self);
/* Events that did not decode, since the beginning. */
uint64_t casebus_replay_undecodable(const struct casebus_replay *self);

#endif
