/* Readers of single topics: a pattern of four segments sees a part of its stream only.
 *
 * Modelled: one stream of N events with topic 0 or 1, committed in batches; `heads:all` with
 * the head of the whole stream at any time; a connection that brings the topics subscribed to
 * and may lose anything (as in reader.pml: the reader's own place in what was sent); a replay
 * that is answered at one moment and taken at a later one. The reader follows topic 0, or both
 * by two patterns: the search chooses.
 *
 * Left out: the question's interval (a second), other streams, crashes, epochs and the floor
 * (reader.pml; nothing of them differs here).
 *
 * Properties: lost, doubled, disorder (within a topic); idle: a replay was taken and the
 * position is still below what it reached to, so it would be asked for again and again; stuck
 * (spin: invalid end state).
 * Each NO_ macro takes one rule away. */
#ifndef N
#define N 6
#endif
#define BIT(x) (1 << (x))

byte com;
bool done;
byte topics;                   /* events of topic 1, a bit each */
typedef Topic {
    byte newest[N + 1]         /* the topic's last event, after each event */
};
Topic topic[2];

#define TOPIC_OF(q) ((topics >> (q)) & 1)

proctype Broker() {
    bit t, some;
    do
    :: atomic { com < N ->
           do /* one commit of one or more events */
           :: com < N ->
              if :: t = 0 :: t = 1 fi;
              com++;
              topics = topics | (t << com);
              topic[t].newest[com] = com;
              topic[1 - t].newest[com] = topic[1 - t].newest[com - 1];
              some = 1
           :: some -> break
           od;
           t = 0; some = 0 }
    :: done -> break
    od
}

byte at;             /* the reader's place in what was sent */
byte position[2];
byte got, last[2];
byte want;           /* topics to ask about, a bit each */
byte asked, through;
bool lost, doubled, disorder, idle;
bool both;

#define WANTS(t) ((t) == 0 || both)
#ifdef NO_POSITION_PER_TOPIC
#define MOVE(t, q) position[0] = q; position[1] = q
#else
#define MOVE(t, q) position[t] = q
#endif

inline hand_over(q, t) {
    doubled = (got >> q) & 1;
    assert(!doubled);
    disorder = q < last[t];
    assert(!disorder);
    got = got | BIT(q);
    last[t] = q;
    MOVE(t, q)
}

inline live(q) {
    t = TOPIC_OF(q);
    if
    :: !WANTS(t) || q <= position[t]
#ifndef NO_PREV_TOPIC
    :: WANTS(t) && topic[t].newest[q - 1] > position[t] -> want = want | BIT(t)
#endif
    :: else -> hand_over(q, t)
    fi;
    t = 0
}

#define BEHIND(t) (WANTS(t) && at > position[t]) /* the stream's head is event `at` */

inline take_replay() {
    q = 1;
    do
    :: q <= through ->
       t = TOPIC_OF(q);
       if
       :: ((asked >> t) & 1) && q > position[t] -> hand_over(q, t)
       :: else
       fi;
       q++
    :: else -> break
    od;
#ifndef NO_THROUGH
    if :: (asked & 1) && position[0] < through -> position[0] = through :: else fi;
    if :: (asked & 2) && position[1] < through -> position[1] = through :: else fi;
#endif
    idle = (asked & 1) && position[0] < through || (asked & 2) && position[1] < through;
    assert(!idle);
    q = 0; t = 0; asked = 0; through = 0
}

proctype Reader() {
    byte q, t;
    if :: both = false :: both = true fi;
    do
    :: atomic { at < com ->
           at++;
           if
           :: live(at)
           :: true /* lost */
           fi }
#ifndef NO_ASK
    :: d_step { BEHIND(0) && !((want | asked) & 1) -> want = want | 1 } /* heads:all */
    :: d_step { BEHIND(1) && !((want | asked) & 2) -> want = want | 2 }
#endif
    :: d_step { want && !asked -> asked = want; want = 0; through = com }
    :: d_step { asked -> take_replay() }
    :: atomic { com == N && !want && !asked && position[0] == N &&
                (!both || position[1] == N) -> break }
    od;
    atomic {
        q = 1;
        do
        :: q <= N ->
           lost = WANTS(TOPIC_OF(q)) && !((got >> q) & 1);
           assert(!lost);
           q++
        :: else -> break
        od;
        done = true
    }
}

init { atomic { run Broker(); run Reader() } }
