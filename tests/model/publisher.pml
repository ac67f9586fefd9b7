/* Publishers with an outbox: confirmation, numbering, check, divergence.
 *
 * Modelled: one or two publishers, each with a folder that holds what is unconfirmed and a link
 * of its own to the broker; the broker decides into a transaction, commits at any time, and
 * answers polls from what is committed; an answer is made at one moment and taken at a later
 * one. FAULTS bounds how often, in any mixture, a report is lost on its way, the broker dies
 * with an open transaction (dying after the commit is an answer that never comes), a publisher
 * dies, or sends again though nothing is lost. A report is its content, 1 to 6; content 2 is
 * refused. The check is exact (a digit of eight a report), so that two checks are the same only
 * if the reports are.
 *
 *   -DTWO        a second publisher with an id of its own
 *   -DCOPY       a second publisher starts, at any time, from a copy of the first one's folder
 *   -DOLD_FOLDER the first one's folder is put back to an earlier copy of itself
 *   -DOLD_STORE  the broker's store is put back to an earlier copy of itself
 *   -DDAMAGE     a report is damaged in the folder, or withdrawn, and goes as `void`
 *   -DSTRANGER   another actor sends under the first one's id
 *
 * Left out: the window (it bounds memory, nothing depends on it), `held`, sessions, brokers
 * that lag behind each other, links that reorder.
 *
 * Properties, by the name of what is violated:
 *   lost        an accepted report ends neither stored nor refused
 *   doubled     a report is decided twice; after a divergence only one that both sides held may
 *               be, once for each time it was resent under a fresh id
 *   untold      a report is refused and its publisher is not told
 *   unkept      a report is confirmed that the committed store does not hold
 *   false_alarm a divergence without a cause, or a second one for one cause
 *   blocked     sending again does not help
 *   stuck       somebody waits for ever (spin: invalid end state)
 * Not held against them: what only a folder or store that is gone held.
 * Each NO_ macro takes one rule away. */
#ifndef REPORTS
#define REPORTS 3 /* a publisher */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef LINK
#define LINK 2    /* reports under way at once */
#endif
#define BIT(x) (1 << (x))
#define HAS(set, x) (((set) >> (x)) & 1)
/* Counts up to 3 a content, in one word. */
#define TIMES(counts, c) (((counts) >> (2 * (c))) & 3)
#define ONCE_MORE(counts, c) counts = counts + ((TIMES(counts, c) < 3) << (2 * (c)))

#define OTHERS 4 /* entry of the other actor */
#define IDS 5    /* 0: the first one's, 1: the second one's own, 2 and 3: fresh ones */
#define REFUSED 2
#define VOID 8   /* added to the content it stands for */
#define VOID_BYTES 7

#if defined(COPY) || defined(OLD_FOLDER)
#define CAUSES 1
#elif defined(OLD_STORE)
#define CAUSES 1
#else
#define CAUSES 0
#endif

typedef Folder {
    byte id, base, n;  /* numbers base + 1 to base + n are in it */
    byte content[REPORTS];
    short check        /* of number base + 1 */
};
typedef Progress {
    byte decided;
    byte refused;      /* numbers, a bit each, kept until `after` has passed them */
    short check        /* of number decided + 1 */
};
typedef Store {
    Progress by[IDS];
    int times;         /* decided, by content */
    byte refused       /* contents */
};

Folder folder[2], earlier;
Store open, kept, backup; /* in the transaction, committed, saved */
chan link[2] = [LINK] of { byte, byte, short, byte };

byte accepted[2], fresh = 2, faults;
bool begun, finished[2];
bool saved, put_back;     /* the earlier copy exists; stands again */
bool dirty;

int resent;               /* of the monitor, by content: times renumbered, */
byte made, told, damaged, excused;
byte shared;              /* what a divergence may store twice: what both of its sides held */
byte diverged[2];
bool lost, doubled, untold, unkept, false_alarm, blocked;

/* --- the broker ------------------------------------------------------------------------ */

#define CONTENT(c) ((c) & 7)
#ifdef NO_VOID_HASH
#define HASH(c) ((c) >= VOID -> VOID_BYTES : (c))
#else
#define HASH(c) CONTENT(c)
#endif
#ifdef NO_REPORT_CHECK
#define CHECK_FITS(i, check) true
#else
#define CHECK_FITS(i, check) ((check) == open.by[i].check)
#endif

inline store_report() {
    if
    :: c < VOID && c != REFUSED -> ONCE_MORE(open.times, c)
    :: c == REFUSED ->
       ONCE_MORE(open.times, c);
       open.refused = open.refused | BIT(c);
       open.by[i].refused = open.by[i].refused | BIT(number)
    :: else
    fi;
    dirty = true
}

#define NEXT_AND_FITS (number == open.by[i].decided + 1 && CHECK_FITS(i, check))

inline decide() {
    if
#ifdef NO_GO_BACK
    :: number > open.by[i].decided + 1 || NEXT_AND_FITS ->
#else
    :: NEXT_AND_FITS ->
#endif
       open.by[i].decided = number;
       open.by[i].check = open.by[i].check * 8 + HASH(c);
       store_report()
#ifdef NO_DEDUP
    :: number <= open.by[i].decided -> store_report()
#endif
    :: else
    fi;
    i = 0; number = 0; check = 0; c = 0
}

inline copy_store(to, from) {
    i = 0;
    do
    :: i < IDS ->
       to.by[i].decided = from.by[i].decided;
       to.by[i].refused = from.by[i].refused;
       to.by[i].check = from.by[i].check;
       i++
    :: else -> break
    od;
    i = 0;
    to.times = from.times;
    to.refused = from.refused
}

inline copy_folder(to, from) {
    to.id = from.id; to.base = from.base; to.n = from.n; to.check = from.check;
    k = 0;
    do
    :: k < REPORTS -> to.content[k] = from.content[k]; k++
    :: else -> break
    od;
    k = 0
}

/* What is confirmed and not in the backup is gone. */
inline excuse_confirmed() {
    i = 1;
    do
    :: i <= REPORTS ->
       excused = excused | ((HAS(made, i) && !TIMES(backup.times, i)) << i);
       i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < folder[0].n -> excused = excused & ~BIT(folder[0].content[i]); i++
    :: else -> break
    od;
    i = 0
}

#define ALL_FINISHED (finished[0] && (finished[1] || !begun))

proctype Broker() {
    byte i, number, c;
    short check;
    do
    :: d_step { link[0]?i, number, check, c -> decide() }
    :: d_step { link[1]?i, number, check, c -> decide() }
    :: d_step { dirty -> copy_store(kept, open); dirty = false }
    :: d_step { dirty && faults < FAULTS -> faults++; copy_store(open, kept); dirty = false }
#ifdef OLD_STORE
    :: d_step { !dirty && !saved -> saved = true; copy_store(backup, kept) }
    :: d_step { !dirty && saved && !put_back && !ALL_FINISHED ->
           put_back = true;
           shared = 255;
           excuse_confirmed();
           copy_store(kept, backup);
           copy_store(open, backup) }
#endif
    :: ALL_FINISHED && !dirty && empty(link[0]) && empty(link[1]) -> break
    od
}

/* --- a publisher ----------------------------------------------------------------------- */

#define MINE folder[p]
#define LAST (MINE.base + MINE.n)

/* The content of the k-th report in the folder, as it is sent. */
#define AS_SENT(k) (MINE.content[k] + (HAS(damaged, MINE.content[k]) -> VOID : 0))

/* chk becomes the check of `number`, base < number <= last + 1. */
inline own_check(number) {
    chk = MINE.check;
    k = 0;
    do
    :: k < number - 1 - MINE.base -> chk = chk * 8 + HASH(AS_SENT(k)); k++
    :: else -> break
    od;
    k = 0
}

inline forget_answer() { waiting = false; a_id = 0; a_decided = 0; a_check = 0; a_refused = 0 }

/* The oldest report is confirmed. */
inline drop_oldest() {
    c = MINE.content[0];
    unkept = !TIMES(kept.times, c) && !HAS(damaged, c) && !put_back;
    assert(!unkept);
    if :: put_back && !TIMES(kept.times, c) -> excused = excused | BIT(c) :: else fi;
    MINE.base++;
    MINE.check = MINE.check * 8 + HASH(AS_SENT(0));
    if :: HAS(a_refused, MINE.base) -> told = told | BIT(c) :: else fi;
    k = 0;
    do
    :: k < MINE.n - 1 -> MINE.content[k] = MINE.content[k + 1]; k++
    :: else -> break
    od;
    MINE.content[k] = 0;
    MINE.n--;
    k = 0; c = 0
}

/* Everything unconfirmed gets new numbers under a fresh id. */
inline diverge() {
    diverged[p]++;
    false_alarm = diverged[p] > CAUSES || fresh == OTHERS;
    assert(!false_alarm);
#ifdef NO_RENUMBER_FIRST
    copy_folder(earlier, MINE);
    unsaved = true;
#endif
    k = 0;
    do
    :: k < MINE.n -> ONCE_MORE(resent, MINE.content[k]); k++
    :: else -> break
    od;
    k = 0;
    MINE.id = fresh; MINE.base = 0; MINE.check = 0;
    fresh++;
    next = 1; tries = 0
}

/* What does the answer say: 0 nothing, 1 progress, 2 divergence. */
inline judge() {
    verdict = 1;
    if
    :: a_decided > LAST ->
#ifdef NO_MORE_THAN_SENT
       a_decided = LAST
#else
       verdict = 2
#endif
    :: a_decided < MINE.base ->
#ifdef NO_NOT_KEPT
       verdict = 0
#else
       verdict = 2
#endif
    :: else ->
       own_check(a_decided + 1);
#ifndef NO_ANSWER_CHECK
       if :: chk != a_check -> verdict = 2 :: else fi;
#endif
       chk = 0
    fi
}

inline take_answer() {
    judge();
    if
    :: verdict == 2 -> diverge()
    :: verdict == 1 && a_decided > MINE.base ->
       tries = 0;
       do
       :: MINE.base < a_decided -> drop_oldest()
       :: else -> break
       od;
       next = (next <= MINE.base -> MINE.base + 1 : next)
    :: else -> no_help()
    fi;
    verdict = 0;
    forget_answer()
}

inline no_help() {
    tries++;
    blocked = tries > FAULTS + 2;
    assert(!blocked)
}

#ifdef NO_COMMIT_FIRST
#define ANSWERS open.by[MINE.id]
#else
#define ANSWERS kept.by[MINE.id]
#endif
#define NEWS (ANSWERS.decided != MINE.base || ANSWERS.check != MINE.check)

/* A poll, and its answer. Its `after` is what was taken; up to it refusals are let go of. */
inline poll() {
    waiting = true;
    a_id = MINE.id;
    a_decided = ANSWERS.decided; a_check = ANSWERS.check; a_refused = ANSWERS.refused;
#ifdef NO_FORGET_AFTER
    kept.by[a_id].refused = 0;
    open.by[a_id].refused = 0
#else
    kept.by[a_id].refused = kept.by[a_id].refused & ~(BIT(MINE.base + 1) - 1);
    open.by[a_id].refused = open.by[a_id].refused & ~(BIT(MINE.base + 1) - 1)
#endif
}

proctype Publisher(bit p) {
    byte next = folder[p].base + 1; /* to be sent */
    byte tries, verdict, k, c;
    short chk;
    bool waiting, unsaved;         /* an answer is under way; see NO_RENUMBER_FIRST */
    byte a_id, a_decided, a_refused;
    short a_check;
    do
    :: d_step { accepted[p] < REPORTS && !unsaved ->
           accepted[p]++;
           MINE.content[MINE.n] = p * REPORTS + accepted[p];
           made = made | BIT(MINE.content[MINE.n]);
           MINE.n++ }
    :: atomic { next <= LAST && nfull(link[p]) ->
           own_check(next);
           c = AS_SENT(next - 1 - MINE.base);
           if
#ifdef NO_VOID
           :: c >= VOID
           :: c < VOID -> link[p]!MINE.id, next, chk, c
#else
           :: link[p]!MINE.id, next, chk, c
#endif
           :: faults < FAULTS -> faults++ /* lost */
           fi;
           chk = 0; c = 0; next++ }
    :: d_step { !waiting && NEWS -> poll() }
    :: d_step { waiting -> take_answer() }
#ifndef NO_RESEND
    :: d_step { !waiting && !NEWS && MINE.n > 0 && next > LAST && empty(link[p]) && !dirty ->
           no_help(); next = MINE.base + 1 } /* nothing moves */
#endif
    :: d_step { faults < FAULTS && next > MINE.base + 1 -> faults++; next = MINE.base + 1 }
    :: d_step { faults < FAULTS && (waiting || next > MINE.base + 1 || unsaved) -> /* dies */
           faults++;
           forget_answer();
#ifdef NO_RENUMBER_FIRST
           if :: unsaved -> copy_folder(MINE, earlier); unsaved = false :: else fi;
#endif
           next = MINE.base + 1; tries = 0 }
#ifdef NO_RENUMBER_FIRST
    :: unsaved -> unsaved = false /* on disk at last */
#endif
#ifdef OLD_FOLDER
    :: d_step { !saved -> saved = true; copy_folder(earlier, MINE) }
    :: d_step { saved && !put_back && accepted[p] < REPORTS ->
           put_back = true;
           k = 0;
           do
           :: k < MINE.n -> excused = excused | BIT(MINE.content[k]); k++
           :: else -> break
           od;
           k = 0;
           do
           :: k < earlier.n ->
              excused = excused & ~BIT(earlier.content[k]);
              shared = shared | BIT(earlier.content[k]);
              k++
           :: else -> break
           od;
           copy_folder(MINE, earlier);
           forget_answer();
           next = MINE.base + 1; tries = 0 }
#endif
#ifdef COPY
    :: atomic { p == 0 && !begun ->
           begun = true;
           accepted[1] = accepted[0];
           do
           :: k < MINE.n -> shared = shared | BIT(MINE.content[k]); k++
           :: else -> break
           od;
           k = 0;
           copy_folder(folder[1], folder[0]);
           run Publisher(1) }
#endif
#ifdef DAMAGE
    :: atomic { !damaged && MINE.n > 0 ->
           if
           :: c = MINE.content[0]
           :: c = MINE.content[MINE.n - 1]
           fi;
           damaged = BIT(c); c = 0 }
#endif
    :: atomic { MINE.n == 0 && accepted[p] == REPORTS && !waiting && !unsaved ->
           finished[p] = true; break }
    od
}

#ifdef STRANGER
#ifdef NO_ACTOR_KEY
#define STRANGERS 0
#else
#define STRANGERS OTHERS
#endif
proctype Stranger() {
    link[1]!STRANGERS, 1, 0, 7;
    link[1]!STRANGERS, 2, 7, 7
}
#endif

init {
    byte c = 1;
    atomic {
#ifdef TWO
        folder[1].id = 1;
        begun = true;
        run Publisher(1);
#endif
#ifdef STRANGER
        run Stranger();
#endif
        run Broker();
        run Publisher(0)
    };
    atomic { _nr_pr == 1 ->
        do
        :: c <= (begun -> 2 : 1) * REPORTS ->
           lost = HAS(made, c) && !TIMES(kept.times, c) && !HAS(excused | damaged, c);
           assert(!lost);
           doubled = TIMES(kept.times, c) > (HAS(shared, c) -> 1 + TIMES(resent, c) : 1);
           assert(!doubled);
           untold = HAS(kept.refused, c) && !HAS(told | excused, c);
           assert(!untold);
           c++
        :: else -> break
        od }
}
