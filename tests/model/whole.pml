/* The whole road: two publishers of three reports each, the broker, two subscribers.
 *
 * Modelled: what publisher.pml and reader.pml look at by themselves, together and coarser. Each
 * publisher has a link of its own and polls; the broker decides reports of both into one
 * transaction, commits, answers and sends; subscriber 0 follows both streams in order,
 * subscriber 1 one stream, both store a cursor. Each publisher's reports go to both streams,
 * and its second one is refused. FAULTS bounds how often, in any mixture, a report or an event
 * is lost, a report is sent again for nothing, a publisher dies, a subscriber dies, or the
 * broker dies: with an open transaction, or with events committed and not sent.
 *
 * Left out: what the other models have: check and divergence, refusals kept, heads:batch,
 * views, the floor, the bound, epochs. What a poll or a replay answers arrives at once.
 *
 * Properties, by the name of what is violated:
 *   unkept   a report is confirmed that the committed store does not hold
 *   doubled  a report is stored twice, or an event handed over twice
 *   disorder an event is handed over after a later one
 *   phantom  an event is handed over that is not committed
 *   lost     a report ends neither stored nor refused, or an event not handed over
 *   stuck    somebody waits for ever (spin: invalid end state)
 * Each NO_ macro takes one rule away. */
#ifndef REPORTS
#define REPORTS 3
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define EVENTS (2 * REPORTS - 2)
#define BIT(x) (1 << (x))
#define HAS(set, x) (((set) >> (x)) & 1)

#define REPORT(p, n) ((p) * 4 + (n)) /* a bit in the store */
#define STREAM_OF_REPORT(p, n) (((p) + (n) / 2) & 1)
#define REFUSES(p, n) ((n) == 2)

typedef Stream { byte head[EVENTS + 1] }; /* its last event, after each event of the log */
typedef Store {
    byte decided[2], last; /* by publisher; the log's last event */
    byte reports           /* bits; one refused counts as stored */
};

/* What a subscriber has: in memory, and the cursor. `at` is its place in what was sent. */
typedef Place {
    byte at, have[2], held, want, cur;
    byte got, last /* handed over, of the monitor */
};
Place place[2];

Store open, kept;          /* in the transaction, committed */
Stream stream[2];
byte members;              /* events of stream 1, a bit each */
chan link[2] = [1] of { byte };
byte faults;
bit finished[2], complete[2];
bool unkept, doubled, disorder, phantom, lost;

#define HEAD(s, q) stream[s].head[q]
#define STREAM_OF(q) HAS(members, q)
#define ALL_STORED (finished[0] && finished[1] && open.last == kept.last)

/* --- the broker ------------------------------------------------------------------------ */

inline append(s) {
    open.last++;
    HEAD(s, open.last) = open.last;
    HEAD(1 - s, open.last) = HEAD(1 - s, open.last - 1);
    members = members | (s << open.last)
}

inline store_report(p) {
    doubled = HAS(open.reports, REPORT(p, number));
    assert(!doubled);
    open.reports = open.reports | BIT(REPORT(p, number));
    if
    :: REFUSES(p, number)
    :: else -> append(STREAM_OF_REPORT(p, number))
    fi
}

inline decide(p) {
    if
#ifdef NO_GO_BACK
    :: number > open.decided[p] ->
#else
    :: number == open.decided[p] + 1 ->
#endif
       open.decided[p] = number;
       store_report(p)
#ifdef NO_DEDUP
    :: number <= open.decided[p] -> store_report(p)
#endif
    :: else
    fi;
    number = 0
}

inline copy_store(to, from) {
    to.decided[0] = from.decided[0];
    to.decided[1] = from.decided[1];
    to.last = from.last;
    to.reports = from.reports
}

inline roll_back() {
    do
    :: open.last > kept.last ->
       HEAD(0, open.last) = 0;
       HEAD(1, open.last) = 0;
       members = members & ~BIT(open.last);
       open.last--
    :: else -> break
    od;
    copy_store(open, kept)
}

#define DIRTY (open.decided[0] != kept.decided[0] || open.decided[1] != kept.decided[1])

#define UNSENT(me) (place[me].at < kept.last)

proctype Broker() {
    byte number;
    do
    :: d_step { link[0]?number -> decide(0) }
    :: d_step { link[1]?number -> decide(1) }
    :: d_step { DIRTY -> copy_store(kept, open) }
    :: d_step { faults < FAULTS && (DIRTY || UNSENT(0) || UNSENT(1)) -> /* dies */
           faults++;
           roll_back();
           place[0].at = kept.last; place[1].at = kept.last }
    :: complete[0] && complete[1] -> break
    od
}

/* --- publishers ------------------------------------------------------------------------ */

#ifdef NO_COMMIT_FIRST
#define DECIDED(p) open.decided[p]
#else
#define DECIDED(p) kept.decided[p]
#endif

inline take_answer() {
    do
    :: base < DECIDED(p) ->
       base++;
       unkept = !HAS(kept.reports, REPORT(p, base));
       assert(!unkept)
    :: else -> break
    od;
    next = (next <= base -> base + 1 : next)
}

proctype Publisher(bit p) {
    byte base, next = 1;
    do
    :: atomic { next <= REPORTS && nfull(link[p]) ->
           if
           :: link[p]!next
           :: faults < FAULTS -> faults++ /* lost */
           fi;
           next++ }
    :: d_step { base < DECIDED(p) -> take_answer() }
    :: d_step { base == DECIDED(p) && base < REPORTS && next > REPORTS && empty(link[p]) &&
                !DIRTY -> next = base + 1 } /* nothing moves */
    :: d_step { faults < FAULTS && next > base + 1 -> /* for nothing, or it died */
           faults++; next = base + 1 }
    :: atomic { base == REPORTS && empty(link[p]) -> finished[p] = 1; break }
    od
}

/* --- subscribers ----------------------------------------------------------------------- */

#ifdef NO_SEND_AFTER_COMMIT
#define SENT open.last
#else
#define SENT kept.last
#endif

#define MY place[me]
#define WANTS(s) (me == 0 || (s) == 0)
#define ALL_WANTED (me == 0 -> 3 : 1)

inline hand_over(q) {
    doubled = HAS(MY.got, q);
    assert(!doubled);
    disorder = q < MY.last;
    assert(!disorder);
    phantom = q > kept.last;
    assert(!phantom);
    MY.got = MY.got | BIT(q);
    MY.last = q
}

inline take(q, s) {
    MY.have[s] = q;
    if
#ifndef NO_HEADS_GATE
    :: me == 0 -> MY.held = MY.held | BIT(q)
#endif
    :: else -> hand_over(q); MY.cur = (me == 1 -> q : MY.cur)
    fi
}

inline prove(q) {
    i = MY.cur + 1;
    do
    :: i <= q && HAS(MY.held, i) -> hand_over(i); MY.held = MY.held & ~BIT(i); i++
    :: i <= q && !HAS(MY.held, i) -> i++
    :: else -> break
    od;
    i = 0;
    MY.cur = (MY.cur < q -> q : MY.cur)
}

inline live(q) {
    s = STREAM_OF(q);
    if
    :: !WANTS(s)
#ifndef NO_DUPLICATE
    :: WANTS(s) && q <= MY.have[s]
#endif
    :: else ->
       if
#ifndef NO_PREV
       :: HEAD(s, q - 1) > MY.have[s] -> MY.want = MY.want | BIT(s)
#endif
       :: else -> take(q, s)
       fi
    fi;
    s = 0
}

#define BEHIND(s) (WANTS(s) && HEAD(s, MY.at) > MY.have[s])
#define NEWLY_BEHIND(s) (BEHIND(s) && !HAS(MY.want, s))
#define PROVES (!BEHIND(0) && !BEHIND(1) && MY.cur < MY.at)

inline heads_all() {
    MY.want = MY.want | BEHIND(0) | (BEHIND(1) << 1);
    if
    :: PROVES -> prove(MY.at)
    :: else
    fi
}

inline take_replay() {
    q = 1;
    do
    :: q <= kept.last ->
       s = STREAM_OF(q);
       if
       :: HAS(MY.want, s) && q > MY.have[s] -> take(q, s)
       :: else
       fi;
       q++
    :: else -> break
    od;
    q = 0; s = 0;
    if :: HAS(MY.want, 0) -> MY.have[0] = kept.last :: else fi;
    if :: HAS(MY.want, 1) -> MY.have[1] = kept.last :: else fi;
    if :: MY.want == ALL_WANTED -> prove(kept.last) :: else fi;
    MY.want = 0
}

proctype Subscriber(bit me) {
    byte q, i, s;
    do
    :: atomic { MY.at < SENT ->
           MY.at++;
           if
           :: live(MY.at)
           :: faults < FAULTS -> faults++ /* lost */
           fi }
#ifndef NO_HEADS_ALL
    :: d_step { NEWLY_BEHIND(0) || NEWLY_BEHIND(1) || PROVES -> heads_all() }
#endif
    :: d_step { MY.want -> take_replay() }
    :: d_step { faults < FAULTS && MY.at > 0 -> /* dies, and begins at its cursor */
           faults++;
           MY.have[0] = MY.cur; MY.have[1] = MY.cur;
           MY.held = 0; MY.want = 0 }
    :: atomic { ALL_STORED && MY.cur == kept.last && !MY.want -> break }
    od;
    atomic {
        q = 1;
        do
        :: q <= kept.last ->
           lost = WANTS(STREAM_OF(q)) && !HAS(MY.got, q);
           assert(!lost);
           q++
        :: else -> break
        od;
        q = 1;
        do
        :: q <= REPORTS ->
           lost = !HAS(kept.reports, REPORT(0, q)) || !HAS(kept.reports, REPORT(1, q));
           assert(!lost);
           q++
        :: else -> break
        od;
        complete[me] = 1
    }
}

init {
    atomic {
        run Broker();
        run Publisher(0);
        run Publisher(1);
        run Subscriber(0);
        run Subscriber(1)
    }
}
