/* Agreement: one epoch of docs/consensus.md, three slots of it, and every order of events.
 *
 * The honest members keep the rules. The liars, less than a third of the weight, are one: they lead
 * all windows, and have signed every vote there is, for everybody who cares to look. So a certificate
 * exists as soon as the honest part of its quorum has voted.
 *
 * There is no network: whoever acts may know any certificate that exists, or not. What it needed to
 * know in order to act it keeps, for its frontier and N3 depend on that. There is no time, so every
 * timer may run out at any moment.
 *
 *   spin -a models/safety.pml && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E
 *
 * -DWINDOW=N   slots of a window: 1, 2 (0, 1 | 2) or 3
 * -DFORGET     members forget all certificates after each step, as in a restart that keeps own votes
 * -DWEIGHTED   four honest members of weight 2, three liars of weight 1
 * -DONLY=N     checks invariant IN alone
 * -DNAMED      members keep their names: six times as many states
 * The other switches take a rule away; each says so where it does. docs/models.md */
#ifndef WINDOW
#define WINDOW 2
#endif
#define SLOTS 3

#ifdef WEIGHTED
#define HONEST       4
#define WEIGHT       2 /* of each of them */
#define LIARS        3
#define LIARS_WEIGHT 3
#else
#define HONEST       3
#define WEIGHT       1
#define LIARS        1
#define LIARS_WEIGHT 1
#endif
#define TOTAL (HONEST * WEIGHT + LIARS_WEIGHT)

#ifdef QUORUM_TOO_SMALL /* mutant: two thirds, without the one more */
#define QUORUM (2 * TOTAL / 3)
#else
#define QUORUM (2 * TOTAL / 3 + 1)
#endif
#ifdef HEADS /* mutant: members are counted, not weighed */
#define IS_QUORUM(honest) ((honest) + LIARS >= 2 * (HONEST + LIARS) / 3 + 1)
#else
#define IS_QUORUM(honest) ((honest) * WEIGHT + LIARS_WEIGHT >= QUORUM)
#endif

/* Slot s is bit s of a set of slots. It has two candidates, 0 and 1; candidate d is bit 2 s + d of a
 * set of candidates. A parent is 0: nobody honest has seen the candidate yet; 1: the genesis; or
 * 2 + the number of a candidate's bit: so p / 2 is the slot after it, and 1 << (p - 2) its set. */
#define SLOT(s)    (1 << (s))
#define CAND(s, d) (1 << (2 * (s) + (d)))
#define BOTH(s)    (3 << (2 * (s)))
#define GENESIS    1
#define IS_IN(p, cands) ((p) == GENESIS || ((cands) & ((1 << (p)) >> 2)))
#define AS_SET(p)  (((p) == GENESIS) -> 0 : ((1 << (p)) >> 2))
#define GAP(p, s)  ((SLOT(s) - 1) & ~(SLOT((p) / 2) - 1))

/* From these slots to the ends of their windows; and both candidates of each slot. */
#if WINDOW == 1
#define TO_END(slots) (slots)
#define NEXT(s)       ((s) + 1)
#elif WINDOW == 2
#define TO_END(slots) ((slots) | ((slots) & 1) << 1)
#define NEXT(s)       ((s) < 2 -> 2 : 3)
#else
#define TO_END(slots) (((slots) | (slots) << 1 | (slots) << 2) & 7)
#define NEXT(s)       3
#endif
#define WINDOW_OF(s) ((s) / WINDOW)
#define WHOLE(s)     TO_END(SLOT(WINDOW_OF(s) * WINDOW))
#define CANDS(slots) (((slots) & 1) * 3 | ((slots) & 2) * 6 | ((slots) & 4) * 12)

/* What a member has signed, and which certificates it holds, in one word: members can be told apart
 * by nothing else, so that they are kept in order, and a state stands for all its permutations.
 * Bits: 0 NOTARs, 6 FINALs, 12 slots under a SKIP; 15 slots up to the highest NOTAR certificate that
 * it holds (of several no other matters to what it does next), 17 slots held to be skipped. */
int member[HONEST];
#define NOTARS(m) (member[m] & 63)
#define FINALS(m) (member[m] >> 6 & 63)
#define SKIPS(m)  (member[m] >> 12 & 7)
#define TOP(m)    (member[m] >> 15 & 3)
#define GONE(m)   (member[m] >> 17 & 7)

byte parent[2 * SLOTS];
byte notarised, finalised, skipped; /* certificates that exist */
byte held;                          /* NOTAR certificates that an honest member has held */

hidden int swap;
hidden byte i, j, k, n, at, top, chain, gone;
hidden byte is_ok;

inline count(set, shift, width)
{
    set = 0;
    for (i : 0 .. width - 1) {
        n = 0;
        for (j : 0 .. HONEST - 1) {
            n = n + (member[j] >> (shift + i) & 1);
        }
        set = set | (IS_QUORUM(n) << i);
    }
}

inline arrange()
{
#ifdef FORGET
    for (i : 0 .. HONEST - 1) {
        member[i] = member[i] & 32767;
    }
    held = 0;
#endif
#ifdef NAMED
    skip;
#else
    for (i : 0 .. HONEST - 2) {
        for (j : 0 .. HONEST - 2 - i) {
            if
            :: member[j] > member[j + 1] ->
                swap = member[j];
                member[j] = member[j + 1];
                member[j + 1] = swap;
            :: else
            fi;
        }
    }
#endif
}

/* ---- invariants ---- */

#ifdef ONLY
#define CHECK(number, what) assert(ONLY != number || (what))
#else
#define CHECK(number, what) assert(what)
#endif

/* Down from a final candidate k: at is the lowest so far, gone the slots that its chain jumps over. */
inline chain_of(k)
{
    at = k + 2;
    chain = 0;
    gone = 0;
    do
    :: at >= 2 ->
        chain = chain | 1 << (at - 2);
        gone = gone | GAP(parent[at - 2], (at - 2) / 2);
        at = parent[at - 2];
    :: else -> break
    od;
}

inline check()
{
    for (i : 0 .. SLOTS - 1) {
        CHECK(4, (notarised & BOTH(i)) != BOTH(i));
        CHECK(1, (finalised & BOTH(i)) != BOTH(i));
    }
#ifdef FORGET
    CHECK(5, (finalised & ~notarised) == 0);
#else
    CHECK(5, (finalised & ~held) == 0);
#endif
    CHECK(3, (CANDS(skipped) & finalised) == 0);
    for (k : 0 .. 2 * SLOTS - 1) {
        if
        :: finalised & (1 << k) ->
            chain_of(k);
            CHECK(1, (finalised & ((2 << k) - 1) & ~chain) == 0);
            CHECK(2, at == GENESIS && (chain & ~notarised) == 0 && (gone & ~skipped) == 0);
#ifdef I3_OF_ANCESTORS /* not an invariant: a slot that is final by a descendant alone may be skipped */
            assert((CANDS(skipped) & chain) == 0);
#endif
        :: else
        fi;
    }
    for (j : 0 .. HONEST - 1) {
        CHECK(7, (FINALS(j) & CANDS(SKIPS(j))) == 0); /* E3 */
        for (i : 0 .. SLOTS - 1) {
            CHECK(7, (NOTARS(j) & BOTH(i)) != BOTH(i));                                      /* E2 */
            CHECK(7, (FINALS(j) & BOTH(i)) != BOTH(i));                                      /* E4 */
            CHECK(7, !(FINALS(j) & CAND(i, 0)) || !(NOTARS(j) & CAND(i, 1)));                /* E5 */
            CHECK(7, !(FINALS(j) & CAND(i, 1)) || !(NOTARS(j) & CAND(i, 0)));                /* E5 */
        }
    }
}

/* ---- rules ---- */

/* Member m signs, and has learned that slots below up are cleared by a NOTAR certificate, and which
 * ones are skipped. */
inline sign(m, votes, up, skips)
{
    top = (up > TOP(m) -> up : TOP(m));
    member[m] = (member[m] & ~(3 << 15)) | votes | top << 15 | skips << 17;
}

#ifdef NO_N1 /* mutant: a second NOTAR in a slot */
#define N1_ONE(m, s, d) (!(NOTARS(m) & CAND(s, d)))
#else
#define N1_ONE(m, s, d) (!(NOTARS(m) & BOTH(s)))
#endif
#ifdef NO_N1_ORDER /* mutant: also for a slot below the last */
#define N1_UP(m, s) true
#else
#define N1_UP(m, s) (NOTARS(m) < CAND((s) + 1, 0))
#endif
#ifdef PARENT_NOT_NOTARISED /* mutant */
#define N2_PARENT(p) (p == GENESIS || parent[p - 2])
#else
#define N2_PARENT(p) IS_IN(p, notarised)
#endif
#ifdef GAP_WITHOUT_SKIP /* mutant */
#define N2_GAP(p, s) true
#else
#define N2_GAP(p, s) ((GAP(p, s) & ~skipped) == 0)
#endif
#ifdef NO_N3 /* mutant */
#define N3(m, s, d, p) true
#else
#define N3(m, s, d, p) \
    (!((GONE(m) | TO_END(GAP(p, s) & skipped)) & SLOT(s)) || (notarised & CAND(s, d)))
#endif

/* Of two candidates that nobody has seen yet, it makes no difference which one is the first. */
#define IS_NAMED(s, d) (d == 0 || parent[2 * (s)])

inline notar(m, s, d, p)
{
    d_step {
        N1_ONE(m, s, d) && N1_UP(m, s) && IS_NAMED(s, d) &&
        (parent[2 * s + d] == 0 || parent[2 * s + d] == p) &&
        N2_PARENT(p) && N2_GAP(p, s) && N3(m, s, d, p) ->
        printf("NOTAR of slot %d, candidate %d, on parent %d\n", s, d, p);
        parent[2 * s + d] = p;
        gone = TO_END(GAP(p, s) & skipped);
        held = held | AS_SET(p);
        top = p / 2;
        if
        :: gone & SLOT(s) -> /* by N3 it holds that one, too */
            held = held | CAND(s, d);
            top = s + 1;
        :: else
        fi;
        sign(m, CAND(s, d), top, gone);
    }
}

#ifdef NO_F1 /* mutant: FINAL in spite of an own SKIP */
#define F1_SKIP(m, s) true
#else
#define F1_SKIP(m, s) (!(SKIPS(m) & SLOT(s)))
#endif
#ifdef NO_F1_CERT /* mutant: FINAL as soon as the own NOTAR is out */
#define F1_CERT(s, d) 0
#define IS_F1_CERT(s, d) true
#else
#define F1_CERT(s, d) (notarised & CAND(s, d))
#define IS_F1_CERT(s, d) F1_CERT(s, d)
#endif
#ifdef NO_F1_OWN /* mutant: FINAL for what others gave a NOTAR */
#define F1_OWN(m, s, d) true
#else
#define F1_OWN(m, s, d) (NOTARS(m) & CAND(s, d))
#endif

inline finalise(m, s, d)
{
    d_step {
        !(FINALS(m) & CAND(s, d)) && F1_OWN(m, s, d) && IS_F1_CERT(s, d) && F1_SKIP(m, s) ->
        printf("FINAL of slot %d, candidate %d\n", s, d);
        held = held | F1_CERT(s, d);
        sign(m, CAND(s, d) << 6, (F1_CERT(s, d) -> s + 1 : 0), 0);
    }
}

#ifdef NO_S1_AFTER_FINAL /* mutant: a SKIP over an own FINAL */
#define S1_FINAL(m, from) true
#else
#define S1_FINAL(m, from) (!(FINALS(m) & CANDS(TO_END(SLOT(from)))))
#endif
#ifdef NO_S1_ONCE /* mutant: a second SKIP in a window */
#define S1_ONCE(m, from) (!(SKIPS(m) & SLOT(from)))
#else
#define S1_ONCE(m, from) (!(SKIPS(m) & WHOLE(from)))
#endif

/* After learning that p is notarised, or nothing: is from the frontier? What takes it there is
 * learned as well. */
inline frontier(m, from, p)
{
    gone = GONE(m);
    at = (p / 2 > TOP(m) -> p / 2 : TOP(m));
    do
    :: at < from && (skipped & SLOT(at)) ->
        gone = gone | TO_END(SLOT(at));
        at = NEXT(at);
    :: else -> break
    od;
    is_ok = at == from && !(gone & SLOT(from));
#ifdef NO_S1_FRONTIER /* mutant: from any slot */
    is_ok = true;
#endif
}

inline skip_from(m, from, p)
{
    d_step {
        S1_ONCE(m, from) && S1_FINAL(m, from) && IS_IN(p, notarised) &&
        (p == GENESIS || p / 2 > TOP(m)) ->
        frontier(m, from, p);
        if
        :: is_ok ->
            printf("SKIP from slot %d\n", from);
            held = held | AS_SET(p);
            sign(m, TO_END(SLOT(from)) << 12, p / 2, gone);
        :: else
        fi;
    }
}

active [HONEST] proctype honest()
{
    do
    :: atomic {
        if
        :: notar(_pid, 0, 0, 1)
        :: notar(_pid, 0, 1, 1)
        :: notar(_pid, 1, 0, 1)
        :: notar(_pid, 1, 0, 2)
        :: notar(_pid, 1, 0, 3)
        :: notar(_pid, 1, 1, 1)
        :: notar(_pid, 1, 1, 2)
        :: notar(_pid, 1, 1, 3)
        :: notar(_pid, 2, 0, 1)
        :: notar(_pid, 2, 0, 2)
        :: notar(_pid, 2, 0, 3)
        :: notar(_pid, 2, 0, 4)
        :: notar(_pid, 2, 0, 5)
        :: notar(_pid, 2, 1, 1)
        :: notar(_pid, 2, 1, 2)
        :: notar(_pid, 2, 1, 3)
        :: notar(_pid, 2, 1, 4)
        :: notar(_pid, 2, 1, 5)
        :: finalise(_pid, 0, 0)
        :: finalise(_pid, 0, 1)
        :: finalise(_pid, 1, 0)
        :: finalise(_pid, 1, 1)
        :: finalise(_pid, 2, 0)
        :: finalise(_pid, 2, 1)
        :: skip_from(_pid, 0, 1)
        :: skip_from(_pid, 1, 1)
        :: skip_from(_pid, 1, 2)
        :: skip_from(_pid, 1, 3)
        :: skip_from(_pid, 2, 1)
        :: skip_from(_pid, 2, 2)
        :: skip_from(_pid, 2, 3)
        :: skip_from(_pid, 2, 4)
        :: skip_from(_pid, 2, 5)
        fi;
        d_step {
            arrange();
            count(notarised, 0, 2 * SLOTS);
            count(finalised, 6, 2 * SLOTS);
            count(skipped, 12, SLOTS);
            check();
            i = 0; /* spin wants a d_step not to end with a loop */
        }
    }
    od
}
