/* Readers of whole streams: nothing missed, nothing twice, in order.
 *
 * Modelled: a broker that commits N events in batches, each in one of two streams, and sends
 * each event, `heads:batch` after each batch and `heads:all` at any time, in order, on one
 * connection that may lose any of them; and one reader. It may be slow without bound: the
 * connection is the reader's own place (`at`) in what was sent, and a loss, a full queue or a
 * reconnection is that place moving on. A replay is answered at one moment and taken at a later
 * one. The reader may be killed and go on from its cursor. Its kind is chosen by the search:
 *
 *   ORDERED  of both streams, hands over in the order of seqs, stores a cursor
 *   GROWING  the same, with the pattern of stream 1 added later
 *   VIEW     of both streams, each in its own order, stores no cursor
 *   ONE      of stream 0 only, hands over what it takes, stores a cursor
 *
 * With -DFLOOR the log is trimmed meanwhile; with -DBOUND=n an ordered reader holds at most n
 * events; with -DEPOCH the store is once put back to an earlier state, and goes on (GROWING left
 * out).
 *
 * Left out: patterns of one topic (narrow.pml), more readers than one (whole.pml: they do not
 * meet), replies in pages, what an event says.
 *
 * Properties, by the name of what is violated:
 *   lost     an event after the snapshot is neither handed over nor told to be gone
 *   doubled  an event is handed over twice
 *   disorder an event is handed over after a later one (ORDERED, GROWING, ONE)
 *   phantom  an event of another history is handed over
 *   false_alarm  "gone" is told where nothing is
 *   stuck    the reader waits for ever (spin: invalid end state)
 * Each NO_ macro takes one rule away. */
#ifndef N
#define N 4
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define BIT(x) (1 << (x))
#define UP_TO(x) (BIT((x) + 1) - 1)
#define PLACE(e, q) ((e) * (N + 1) + (q))

mtype = { ORDERED, GROWING, VIEW, ONE };
mtype kind;

/* The broker: two histories, the second one begins with the restored part of the first. */
typedef Stream {
    byte head[2 * (N + 1)] /* the stream's last event, after each event of a history */
};
Stream stream[2];
byte members[2];     /* by history: the events that are in stream 1, a bit each */
byte ends[2];        /* by history: the events that end a batch */
byte com, old, cut;  /* committed now; in the history left; in both */
byte floor;
bit epoch;
bool done;

#define STREAM_OF(e, q) ((members[e] >> (q)) & 1)
#define HEAD(s, e, q) stream[s].head[PLACE(e, q)]

inline append(s) {
    com++;
    HEAD(s, epoch, com) = com;
    HEAD(1 - s, epoch, com) = HEAD(1 - s, epoch, com - 1);
    members[epoch] = members[epoch] | (s << com)
}

inline restore() {
    old = com;
    cut = com - 1;
    com = cut;
    epoch = 1;
    members[1] = members[0] & UP_TO(cut);
    ends[1] = (ends[0] & UP_TO(cut)) | BIT(cut);
    i = 0;
    do
    :: i <= cut -> HEAD(0, 1, i) = HEAD(0, 0, i); HEAD(1, 1, i) = HEAD(1, 0, i); i++
    :: else -> break
    od;
    i = 0
}

proctype Broker() {
    byte i;
    bit s, some;
    do
    :: atomic { com < N ->
           do /* one commit of one or more events */
           :: com < N -> if :: s = 0 :: s = 1 fi; append(s); some = 1
           :: some -> break
           od;
           ends[epoch] = ends[epoch] | BIT(com);
           s = 0; some = 0 }
#ifdef FLOOR
    :: floor < 2 && floor < com && !done -> floor++
#endif
#ifdef EPOCH
    :: d_step { epoch == 0 && com > 1 && !done -> restore() }
#endif
    :: done -> break
    od
}

/* The reader. On disk: its cursor, and what it handed over. */
byte cur, start, added, last, got, gone;
bit ep; /* the history it follows */

/* In memory. */
byte at;             /* its place in what was sent */
bit pe, batch;       /* the history that comes down its connection; heads:batch comes next */
byte have[2];
byte held, held_of;  /* events held, and of which history they are, a bit each */
byte want;           /* streams with a hole, a bit each */
byte asked, through; /* the replay that was answered: of which streams, up to where, */
byte trimmed;        /* and the floor then */
bit asked_of, resync, wide;

bool lost, doubled, disorder, phantom, false_alarm; /* of the monitor */

#define ORDERS (kind == ORDERED || kind == GROWING)
#define WANTS(s) (kind != ONE && (kind != GROWING || wide) || (s) == 0)
#define ALL_WANTED (BIT(0) | (WANTS(1) << 1))

inline hand_over(q) {
    doubled = (got >> q) & 1;
    assert(!doubled);
    disorder = kind != VIEW && q < last;
    assert(!disorder);
#ifdef EPOCH
    phantom = q > cut && epoch == 1 && ((held_of >> q) & 1) != ep;
    assert(!phantom);
#endif
    got = got | BIT(q);
    last = q
}

/* Event q of history e follows on what is had of its stream s. */
inline take(e, q, s) {
    have[s] = q;
#ifdef EPOCH
    held_of = (held_of & ~BIT(q)) | (e << q);
#endif
    if
#ifndef NO_HEADS_GATE
    :: ORDERS -> held = held | BIT(q)
#endif
    :: else ->
       hand_over(q);
       if
       :: kind == ONE -> cur = q
#ifdef NO_CURSOR_FROM_PROOF
       :: kind == VIEW -> cur = q
#endif
       :: else
       fi
    fi
}

/* Everything up to q is there: hand it over, move the cursor. */
inline prove(q) {
    i = 1;
    do
    :: i <= q && ((held >> i) & 1) -> hand_over(i); held = held & ~BIT(i); i++
    :: i <= q && !((held >> i) & 1) -> i++
    :: else -> break
    od;
    i = 0;
    if
#ifdef NO_CURSOR_FROM_PROOF
    :: kind == VIEW
#endif
    :: cur < q -> cur = q
    :: else
    fi
}

#ifdef NO_EVENT_EPOCH
#define MINE(e) true
#else
#define MINE(e) ((e) == ep)
#endif

inline live(e, q) {
    s = STREAM_OF(e, q);
    if
    :: !WANTS(s) || resync
    :: WANTS(s) && !resync && !MINE(e) -> resync = (ep != epoch)
#ifndef NO_DUPLICATE
    :: WANTS(s) && !resync && MINE(e) && q <= have[s]
#endif
    :: else ->
       if
#ifndef NO_PREV
       :: HEAD(s, e, q - 1) > have[s] ->
          want = want | BIT(s);
#ifdef NO_LEAVE_BEYOND_HOLE
          take(e, q, s)
#endif
#endif
       :: else ->
          take(e, q, s);
          if /* A reader may also go by the claim, which is above what is proved while something
                is missing: it is then proved when that has come. */
#ifdef NO_VERY_NEXT
          :: ORDERS && q > cur -> prove(q)
#else
          :: ORDERS && q == cur + 1 -> prove(q)
#endif
          :: else
          fi
       fi
    fi;
    s = 0
}

/* Past the bound what is held is dropped, and all patterns are pulled from the cursor on. */
#ifdef BOUND
inline keep_the_bound() {
    i = 1;
    do
    :: i <= N -> s = s + ((held >> i) & 1); i++
    :: else -> break
    od;
    if
    :: s > BOUND ->
       held = 0; asked = 0; through = 0; trimmed = 0; asked_of = 0;
       want = ALL_WANTED;
#ifndef NO_HAVE_AT_CURSOR
       have[0] = cur; have[1] = cur
#endif
    :: else
    fi;
    i = 0; s = 0
}
#else
#define keep_the_bound()
#endif

#define BEHIND(s) (WANTS(s) && HEAD(s, pe, at) > have[s])
#define NEWLY_BEHIND(s) (BEHIND(s) && !(((want | asked) >> (s)) & 1))
#define PROVES (!BEHIND(0) && !BEHIND(1) && (cur < at || (held & UP_TO(at))))
#define HEADS_OF_MINE (pe == ep && !resync)

/* heads:all; only where it tells something. */
inline heads_all() {
    if
    :: !HEADS_OF_MINE -> resync = true
    :: else ->
       want = want | BEHIND(0) | (BEHIND(1) << 1);
       if
       :: PROVES -> prove(at)
       :: else
       fi
    fi
}

/* heads:batch: the streams that the batch touched, and the seq of the batch before. */
inline heads_batch() {
    batch = 0;
    if
    :: !HEADS_OF_MINE -> resync = (ep != epoch)
    :: else ->
       i = at - 1;
       do
       :: i > 0 && !((ends[pe] >> i) & 1) -> i--
       :: else -> break
       od;
       s = i; i = 0;
       if :: HEAD(0, pe, at) > s && BEHIND(0) -> want = want | 1 :: else fi;
       if :: HEAD(1, pe, at) > s && BEHIND(1) -> want = want | 2 :: else fi;
       if
#ifndef NO_BATCH_BEFORE
       :: s > cur
#endif
       :: else ->
          if
          :: HEAD(0, pe, at) > s && BEHIND(0) || HEAD(1, pe, at) > s && BEHIND(1)
          :: else -> prove(at)
          fi
       fi;
       s = 0
    fi
}

/* What a replay says of stream s: which of its events are gone. */
inline told_gone(s) {
    if
#ifdef NO_EXACT_GONE
    :: ((asked >> s) & 1) && have[s] < trimmed ->
#else
    :: ((asked >> s) & 1) && have[s] < HEAD(s, ep, trimmed) ->
#endif
       false_alarm = !(have[s] < HEAD(s, ep, trimmed));
       assert(!false_alarm);
       i = have[s] + 1;
       do
       :: i <= trimmed -> gone = gone | ((STREAM_OF(ep, i) == s) << i); i++
       :: else -> break
       od;
       have[s] = trimmed; i = 0
    :: else
    fi
}

inline forget_replay() { asked = 0; through = 0; trimmed = 0; asked_of = 0 }

inline take_replay() {
    if
    :: asked_of != ep -> resync = (ep != epoch)
    :: else ->
#ifdef FLOOR
       told_gone(0);
       told_gone(1);
#endif
       q = trimmed + 1;
       do
       :: q <= through ->
          s = STREAM_OF(ep, q);
          if
          :: ((asked >> s) & 1) && q > have[s] -> take(ep, q, s)
          :: else
          fi;
          q++
       :: else -> break
       od;
       q = 0; s = 0;
       if :: (asked & 1) && have[0] < through -> have[0] = through :: else fi;
       if :: (asked & 2) && have[1] < through -> have[1] = through :: else fi;
       if
       :: asked == ALL_WANTED -> prove(through)
       :: else
       fi
    fi;
    forget_replay()
}

/* Begins at the cursor: what a killed reader has left. */
inline begin_at(c) {
    have[0] = c; have[1] = c;
    held = 0; want = 0; resync = false;
    forget_replay()
}

inline snapshot() {
    ep = epoch;
    start = com; cur = com; last = com;
    got = 0; gone = 0; held_of = 0;
    begin_at(com)
}

#define LIMIT (pe == epoch -> com : old)

proctype Reader() {
    byte q, i, s, crashes;
    if :: kind = ORDERED :: kind = VIEW :: kind = ONE
#ifndef EPOCH
       :: kind = GROWING
#endif
    fi;
    /* It has subscribed before, and asks for a snapshot at any time. */
    if :: true :: com > 0 :: com > 1 fi;
    d_step { snapshot() };
#ifdef NO_BEGIN_AT_SNAPSHOT
    d_step { at = com; have[0] = com; have[1] = com };
#endif
    do
    :: atomic { at < LIMIT ->
           at++;
           batch = (ends[pe] >> at) & 1;
           if
           :: live(pe, at); keep_the_bound()
           :: true /* lost */
           fi }
#ifndef NO_HEADS_ALL
    :: atomic { HEADS_OF_MINE && (NEWLY_BEHIND(0) || NEWLY_BEHIND(1) || PROVES) ||
                pe != ep && ep != epoch && !resync -> heads_all() }
#endif
    :: atomic { batch -> heads_batch() }
    :: batch -> batch = 0
#ifdef EPOCH
    :: d_step { pe != epoch -> pe = epoch; at = com; batch = 0 } /* a new connection */
    :: d_step { resync -> snapshot() }
#endif
    :: d_step { want && !asked && !resync -> /* asked, and answered by the broker */
           asked = want; want = 0; through = com; trimmed = floor; asked_of = epoch }
    :: atomic { asked && !resync -> take_replay() }
    :: d_step { kind == GROWING && !wide ->
           wide = true;
#ifdef NO_ADD_AT_CURSOR
           added = start; have[1] = start
#else
           added = cur; have[1] = cur
#endif
       }
#ifdef NO_CURSOR_FROM_PROOF
    :: d_step { crashes < CRASHES -> crashes++; begin_at(cur) }
#else
    :: d_step { crashes < CRASHES && kind != VIEW -> crashes++; begin_at(cur) }
#endif
    :: atomic { com == N && cur == N && ep == epoch && !want && !asked && !resync &&
                (kind != GROWING || wide) -> break }
    od;
    atomic {
        q = start + 1;
        do
        :: q <= N ->
           s = STREAM_OF(ep, q);
           lost = WANTS(s) && !(s == 1 && q <= added) && !(((got | gone) >> q) & 1);
           assert(!lost);
           q++
        :: else -> break
        od;
        done = true
    }
}

init { atomic { run Broker(); run Reader() } }
