/* The lease across the end of an epoch: again never two honest holders at one true time (I9).
 *
 * As in models/lease.pml, and with rule L3. A candidate that closes the epoch gives no lease, nor does
 * what descends from it. In the next epoch a leader acts only T_lease x (1 + 2 rho) after it learned
 * that such a candidate is final; but whoever proposed that one waits only for what is left of its
 * former wait, since L2 has made the others wait for it. L2 itself begins anew.
 *
 * Each slot is a window of its own: who leads several in a row has a long one. Of a candidate's chain
 * is kept whether something on it closes the epoch: nothing, itself, or an earlier candidate. That
 * nobody goes on beside what is final is taken for granted, as models/safety.pml has shown it. Who
 * holds a NOTAR certificate is left open: a leader may learn of one for its own slot at any time.
 *
 *   spin -a models/epoch.pml && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E
 *
 * -DSLOTS=N -DSECOND=N -DTHIRD=N   how many slots, and the first ones of the next two epochs
 * -DALL                            any member leads, the liar too; else two honest ones do
 * -DLEADERS=NNNN                   who leads the four slots, to find faster what is there
 * The other switches take a rule away; each says so where it does. docs/models.md */
#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef SECOND
#define SECOND 3
#endif
#ifndef THIRD
#define THIRD SLOTS
#endif
#define EPOCHS      3
#define EPOCH_OF(s) (((s) >= SECOND) + ((s) >= THIRD))
#define HONEST      3
#define LIAR        3

#define SLOW    2
#define FAST    3
#define T_LEASE 6
#define LEASE   4 /* T_lease x (1 - 2 rho) */
#ifndef T_EPOCH
#define T_EPOCH 8 /* T_lease x (1 + 2 rho) */
#endif
#ifdef QUORUM_TOO_SMALL /* mutant */
#define QUORUM  1
#else
#define QUORUM  2 /* and the liar */
#endif

#define SLOT(s)    (1 << (s))
#define IS_LAST(s) ((s) + 1 == SLOTS || EPOCH_OF((s) + 1) != EPOCH_OF(s))

byte leader[SLOTS];
bool is_drawn;
byte sent;           /* slots with a candidate */
byte skipped;        /* slots with a SKIP of their leader */
byte voted;          /* slots with a NOTAR of an honest member */
byte closing[SLOTS]; /* 1 + the slot on the candidate's chain, or its own, that closes the epoch */
byte end[EPOCHS];    /* 1 + the slot that closed it for good; 0: it goes on */
byte final[EPOCHS];  /* 1 + the slot whose FINAL certificate did that */

typedef honest_member {
    byte notars;       /* slots that may still matter */
    byte last;         /* 1 + the slot of the last NOTAR; 0: none yet */
    byte age[SLOTS];   /* since a slot's candidate was sent, by this member's clock */
    byte wait[EPOCHS]; /* since the former epoch was closed, by this member's clock */
    byte next;         /* as a leader: slots below were proposed or given up */
    byte first;        /* as a leader: slots below give no lease */
};
honest_member member[HONEST];

hidden byte i, j, n, by, holders, leads, has_others, gives_lease;

/* ---- voters ---- */

/* In an epoch the last one of it leads on, so that its lease is not given up for nobody. */
#define IS_NEXT_OTHER(s) (!IS_LAST(s) && leader[(s) + 1] != leader[s])
#define IS_RELEASED(s)   ((skipped & SLOT(s)) || ((sent & SLOT(s)) && IS_NEXT_OTHER(s)))

#ifdef NO_L2 /* mutant */
#define L2(m, s) true
#else
#define L2(m, s) \
    (member[m].last == 0 || EPOCH_OF(member[m].last - 1) != EPOCH_OF(s) || \
     leader[member[m].last - 1] == leader[s] || IS_RELEASED(member[m].last - 1) || \
     member[m].age[member[m].last - 1] >= T_LEASE)
#endif

/* Has the epoch begun? And if it has ended: is the slot below what ended it, or on its chain? */
#define IS_OPEN(s) (EPOCH_OF(s) == 0 || end[EPOCH_OF(s) - 1])
#define IS_ON_CHAIN(s) \
    (end[EPOCH_OF(s)] == 0 || closing[s] == end[EPOCH_OF(s)] || s + 1 < final[EPOCH_OF(s)])

/* N2, as far as it is known here: the one that closes the epoch below is notarised. */
#define NOTAR(m, s)   (member[m].notars >> (s) & 1)
#define NOTARS(s)     (NOTAR(0, s) + NOTAR(1, s) + NOTAR(2, s))
#define HAS_PARENT(s) \
    (closing[s] == 0 || closing[s] == s + 1 || end[EPOCH_OF(s)] || NOTARS(closing[s] - 1) >= QUORUM)

inline count_notars(s)
{
    n = 0;
    for (j : 0 .. HONEST - 1) {
        n = n + (member[j].notars >> s & 1);
    }
}

/* ---- the lease ---- */

#ifdef CLOSING_GIVES_LEASE /* mutant: slots after the one that closes the epoch, too */
#define MAY_LEASE(s) true
#else
#define MAY_LEASE(s) (closing[s] == 0)
#endif
#ifdef NO_L3 /* mutant: no wait at the beginning of an epoch */
#define L3(m, s) true
#else
#define L3(m, s) (member[m].wait[EPOCH_OF(s)] >= T_EPOCH)
#endif

/* Will another one lead in this epoch, for whom a voter may have to wait? */
inline see_others(s)
{
    has_others = false;
    for (j : s + 1 .. SLOTS - 1) {
        has_others = has_others || (leader[j] != leader[s] && EPOCH_OF(j) == EPOCH_OF(s));
    }
}

inline check()
{
    holders = 0;
    for (i : 0 .. SLOTS - 1) {
        by = leader[i];
        gives_lease = by != LIAR && (sent & SLOT(i)) && i >= member[by].first && MAY_LEASE(i) &&
                      member[by].age[i] < LEASE;
        count_notars(i);
        if
        :: gives_lease && n >= QUORUM && L3(by, i) -> holders = holders | 1 << by;
        :: else
        fi;
        see_others(i);
        for (j : 0 .. HONEST - 1) {
            if
            :: !gives_lease && (closing[i] == 0 || end[EPOCH_OF(i)]) ->
                member[j].notars = member[j].notars & ~SLOT(i);
            :: else -> member[j].notars = member[j].notars | (n >= QUORUM) << i;
            fi;
            if
            :: (member[j].last > i + 1 || !has_others || IS_RELEASED(i)) &&
               !(by == j && gives_lease) ->
                member[j].age[i] = T_LEASE;
            :: else
            fi;
        }
    }
    assert((holders & (holders - 1)) == 0);
    i = 0; /* spin wants a d_step not to end with a loop */
}

inline notar(m, s)
{
    d_step {
        s < SLOTS && (sent & SLOT(s)) && member[m].last <= s && IS_OPEN(s) && IS_ON_CHAIN(s) &&
        HAS_PARENT(s) && L2(m, s) ->
        printf("%d notarises slot %d\n", m, s);
        member[m].notars = member[m].notars | SLOT(s);
        member[m].last = s + 1;
        voted = voted | SLOT(s);
        check();
    }
}

/* ---- leaders ---- */

/* Who goes on after another's closing candidate lets go of what it led before: that one waits for
 * nobody, and a NOTAR certificate for a slot that this chain jumps over may be late. */
#ifdef CLOSED_KEEPS_LEASE /* mutant */
#define GIVES_UP(m, chain) false
#else
#define GIVES_UP(m, chain) (chain > 0 && leader[(chain) - 1] != m)
#endif

/* chain: none of its candidates closes the epoch (0), or this one (s + 1), or that one below. A
 * liar's candidates are all there at once, on the chain that was drawn. */
inline propose(m, s, chain)
{
    d_step {
        s < SLOTS && leader[s] == m && s >= member[m].next && !(skipped & SLOT(s)) && IS_OPEN(s) &&
        (chain == 0 || (chain == s + 1 && EPOCH_OF(s) != EPOCH_OF(SLOTS - 1)) ||
         (chain <= s && EPOCH_OF(chain - 1) == EPOCH_OF(s) && closing[chain - 1] == chain)) ->
        printf("%d proposes slot %d, which is closed by %d\n", m, s, chain - 1);
        sent = sent | SLOT(s);
        closing[s] = chain;
        member[m].next = s + 1;
        member[m].first = (IS_NEXT_OTHER(s) || GIVES_UP(m, chain) -> s + 1 : member[m].first);
        for (j : 0 .. HONEST - 1) {
            member[j].age[s] = 0;
        }
        check();
    }
}

inline resign(m, s)
{
    d_step {
        s < SLOTS && leader[s] == m && !(skipped & SLOT(s)) && member[m].next <= s + 1 &&
        IS_OPEN(s) ->
        printf("%d skips slot %d\n", m, s);
        skipped = skipped | SLOT(s);
        member[m].first = s + 1;
        member[m].next = s + 1;
        check();
    }
}

active [HONEST] proctype honest()
{
    is_drawn;
    do
    :: notar(_pid, 0)
    :: notar(_pid, 1)
    :: notar(_pid, 2)
    :: notar(_pid, 3)
    :: notar(_pid, 4)
    :: propose(_pid, 0, 0)
    :: propose(_pid, 0, 1)
    :: propose(_pid, 1, 0)
    :: propose(_pid, 1, 1)
    :: propose(_pid, 1, 2)
    :: propose(_pid, 2, 0)
    :: propose(_pid, 2, 1)
    :: propose(_pid, 2, 2)
    :: propose(_pid, 2, 3)
    :: propose(_pid, 3, 0)
    :: propose(_pid, 3, 1)
    :: propose(_pid, 3, 2)
    :: propose(_pid, 3, 3)
    :: propose(_pid, 3, 4)
    :: propose(_pid, 4, 0)
    :: resign(_pid, 0)
    :: resign(_pid, 1)
    :: resign(_pid, 2)
    :: resign(_pid, 3)
    :: resign(_pid, 4)
    od
}

/* ---- the world ---- */

/* Who proposed the end of the epoch waits for what is left of its former wait. */
#ifdef NOTHING_LEFT /* mutant: it never waits */
#define LEFT(m, s) T_EPOCH
#else
#define LEFT(m, s) member[m].wait[EPOCH_OF(s)]
#endif

/* Does m lead in this epoch, or later? Else its wait is no matter. */
inline see_windows(m, epoch)
{
    leads = false;
    for (i : 0 .. SLOTS - 1) {
        leads = leads || (EPOCH_OF(i) >= epoch && leader[i] == m);
    }
}

/* A NOTAR for slot t, on another chain, needs a certificate that s is skipped, and it cannot have that
 * and a FINAL certificate. */
#define IS_PASSED(s, t) \
    ((t) < SLOTS && EPOCH_OF(t) == EPOCH_OF(s) && (voted & SLOT(t)) && closing[t] != closing[s])

/* Slot s is final: two honest members have given it a NOTAR, and so a FINAL. All learn it at once:
 * later would only lengthen their wait. No epoch has more than three slots. */
inline close(s)
{
    d_step {
        s < SLOTS && (sent & SLOT(s)) && closing[s] && !end[EPOCH_OF(s)] && IS_OPEN(s) &&
        EPOCH_OF(s) != EPOCH_OF(SLOTS - 1) && NOTARS(s) >= QUORUM &&
        !IS_PASSED(s, s + 1) && !IS_PASSED(s, s + 2) ->
        printf("slot %d is final, and slot %d closes its epoch\n", s, closing[s] - 1);
        final[EPOCH_OF(s)] = s + 1;
        end[EPOCH_OF(s)] = closing[s];
        for (j : 0 .. HONEST - 1) {
            see_windows(j, EPOCH_OF(s) + 1);
            member[j].wait[EPOCH_OF(s) + 1] =
                (!leads -> T_EPOCH : (leader[closing[s] - 1] == j -> LEFT(j, s) : 0));
        }
        check();
    }
}

#define OLDER(age, by, max) (age + by < max -> age + by : max)

inline advance(m, by)
{
    for (i : 0 .. SLOTS - 1) {
        if
        :: sent & SLOT(i) -> member[m].age[i] = OLDER(member[m].age[i], by, T_LEASE);
        :: else
        fi;
    }
    for (i : 1 .. EPOCHS - 1) {
        if
        :: end[i - 1] -> member[m].wait[i] = OLDER(member[m].wait[i], by, T_EPOCH);
        :: else
        fi;
    }
}

inline tick(a, b, c)
{
    d_step {
        true ->
        printf("clocks advance by %d, %d, %d\n", a, b, c);
        advance(0, a);
        advance(1, b);
        advance(2, c);
        check();
    }
}

active proctype world()
{
    byte s, named;
    atomic {
        for (s : 0 .. SLOTS - 1) {
            if
#ifdef ALL
            :: leader[s] = LIAR;
               if
               :: closing[s] = 0
               :: closing[s] = s + 1
               :: s > 0 && EPOCH_OF(s - 1) == EPOCH_OF(s) -> closing[s] = closing[s - 1]
               fi;
#endif
            :: leader[s] = 0
            :: named >= 1 -> leader[s] = 1
#ifdef ALL
            :: named >= 2 -> leader[s] = 2
#endif
            fi;
            printf("slot %d is led by %d\n", s, leader[s]);
            named = (leader[s] == named -> named + 1 : named);
        }
#ifdef LEADERS
        leader[0] == LEADERS / 1000 && leader[1] == LEADERS / 100 % 10 &&
        leader[2] == LEADERS / 10 % 10 && leader[3] == LEADERS % 10;
#endif
        named >= 2; /* else there is nothing to exclude */
        named = 0;
        s = 0;
        d_step {
            for (i : 0 .. SLOTS - 1) {
                sent = (leader[i] == LIAR -> sent | SLOT(i) : sent);
                for (j : 0 .. HONEST - 1) {
                    member[j].age[i] = T_LEASE;
                }
            }
            for (j : 0 .. HONEST - 1) {
                member[j].wait[0] = T_EPOCH;
            }
            is_drawn = true;
        }
    }
    do
    :: tick(SLOW, SLOW, SLOW)
    :: tick(SLOW, SLOW, FAST)
    :: tick(SLOW, FAST, SLOW)
    :: tick(SLOW, FAST, FAST)
    :: tick(FAST, SLOW, SLOW)
    :: tick(FAST, SLOW, FAST)
    :: tick(FAST, FAST, SLOW)
    :: tick(FAST, FAST, FAST)
    :: close(0)
    :: close(1)
    :: close(2)
    :: close(3)
    od
}
