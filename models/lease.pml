/* The lease: never two honest members that hold one at the same true time (I9).
 *
 * Three honest members and a liar, each of weight 1. The liar has given a NOTAR to every slot, so a
 * certificate exists when two honest members have, and its leader may learn of it at once. Left out
 * are what candidates say, and why anybody skips: a leader may skip its own window at any moment.
 * Members see a candidate when it is sent: who sees it later only waits longer. The slots of a liar's
 * windows have been there for ever.
 *
 * True time goes on in ticks. In each, every clock advances by SLOW or by FAST, whatever it did
 * before; T_lease x (1 - 2 rho) is to T_lease as SLOW is to FAST, so that there is nothing to spare.
 * An event has no time: kept is its age by each member's clock, up to where nothing depends on it any
 * more. So the states are finite, and time is not.
 *
 *   spin -a models/lease.pml && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E
 *
 * -DWINDOW=N -DWINDOWS=N   slots of a window, and how many windows there are
 * -DRESTART                members restart, as often as they like
 * -DPLAIN                  nothing is forgotten: the same answer from many more states
 * The other switches take a rule away; each says so where it does. docs/models.md */
#ifndef WINDOW
#define WINDOW 2
#endif
#ifndef WINDOWS
#define WINDOWS 3
#endif
#define SLOTS  (WINDOW * WINDOWS)
#define HONEST 3
#define LIAR   3

#define SLOW    2
#define FAST    3
#define T_LEASE 6
#ifndef T_BOOT
#define T_BOOT  8 /* T_lease x (1 + 2 rho) */
#endif
#ifdef NO_DRIFT   /* mutant: as if all clocks ran alike */
#define LEASE   T_LEASE
#else
#define LEASE   4 /* T_lease x (1 - 2 rho) */
#endif
#ifdef QUORUM_TOO_SMALL /* mutant: two of four, so that quorums need not share an honest member */
#define QUORUM  1
#else
#define QUORUM  2 /* and the liar */
#endif

#define SLOT(s)       (1 << (s))
#define WINDOW_OF(s)  ((s) / WINDOW)
#define IS_LAST(s)    ((s) % WINDOW == WINDOW - 1)
#define LAST_OF(w)    ((w) * WINDOW + WINDOW - 1)

byte leader[WINDOWS + 1]; /* one more, so that the last leader leads on and keeps its lease */
bool is_drawn;
byte sent;                /* slots with a candidate */
byte skipped;             /* windows with a SKIP of their leader */

typedef honest_member {
    byte notars;     /* slots that may still give a lease */
    byte last;       /* 1 + the slot of the last NOTAR; 0: none yet */
    byte age[SLOTS]; /* since a slot's candidate was sent, or seen, by this member's clock */
    byte boot;       /* since the start, up to T_BOOT: no restart, or no matter any more */
    byte next;       /* as a leader: slots below were proposed or given up */
    byte first;      /* as a leader: slots below give no lease */
};
honest_member member[HONEST];

hidden byte i, j, n, by, holders, has_others, gives_lease;

/* ---- voters ---- */

#ifdef NO_N1_ORDER /* mutant: NOTARs in any order */
#define IS_PAST(m, s) false
#define N1(m, s)      (member[m].last != s + 1)
#else
#define IS_PAST(m, s) (member[m].last > s + 1)
#define N1(m, s)      (member[m].last < s + 1)
#endif

/* Has the leader of window w let go of it, for all to see? */
#ifdef LAST_RELEASES_ALWAYS /* mutant: even if the same member leads on */
#define IS_OVER(w) (sent & SLOT(LAST_OF(w)))
#else
#define IS_OVER(w) ((sent & SLOT(LAST_OF(w))) && leader[(w) + 1] != leader[w])
#endif
#ifdef ANY_SKIP_RELEASES /* mutant: its SKIP of the window before does, too */
#define IS_SKIPPED(w) \
    ((skipped & SLOT(w)) || ((w) > 0 && leader[(w) - 1] == leader[w] && (skipped & SLOT((w) - 1))))
#else
#define IS_SKIPPED(w) (skipped & SLOT(w))
#endif
#define IS_RELEASED(w) (IS_SKIPPED(w) || IS_OVER(w))

#ifdef NO_BOOT_WAIT /* mutant: what was seen before a restart is forgotten */
#define IS_BOOTED(m) true
#else
#define IS_BOOTED(m) (member[m].boot >= T_BOOT)
#endif
/* The window in which m last gave a NOTAR. */
#define LED(m) WINDOW_OF(member[m].last - 1)
#ifdef NO_L2 /* mutant: no wait for the former leader's lease */
#define L2(m, s) true
#else
#define L2(m, s) \
    (member[m].last == 0 -> true : \
     leader[LED(m)] == leader[WINDOW_OF(s)] || IS_RELEASED(LED(m)) || \
     (IS_BOOTED(m) && member[m].age[member[m].last - 1] >= T_LEASE))
#endif

/* ---- the lease ---- */

inline count_notars(s)
{
    n = 0;
    for (j : 0 .. HONEST - 1) {
        n = n + (member[j].notars >> s & 1);
    }
}

/* Is somebody else to lead after window w, for whom a voter may have to wait? */
inline see_others(w)
{
    has_others = false;
    for (j : w + 1 .. WINDOWS - 1) {
        has_others = has_others || (leader[j] != LIAR && leader[j] != leader[w] &&
                                    !(skipped & SLOT(j)));
    }
}

/* SKIP_KEEPS_LEASE, mutant: an own SKIP does not end the lease.
 * SKIP_KEEPS_OLDER, mutant: it does for slots of its own window, but a certificate that comes later
 * for a slot of an earlier one begins another. */
#ifdef SKIP_KEEPS_OLDER
#define IS_KEPT(s) (!(skipped & SLOT(WINDOW_OF(s))))
#else
#define IS_KEPT(s) true
#endif

/* I9. And what nothing can depend on any more is forgotten, so that fewer states differ. */
inline check()
{
    holders = 0;
    for (i : 0 .. SLOTS - 1) {
        by = leader[WINDOW_OF(i)];
        gives_lease = by != LIAR && (sent & SLOT(i)) && i >= member[by].first && IS_KEPT(i) &&
                      member[by].age[i] < LEASE;
        count_notars(i);
        if
        :: gives_lease && n >= QUORUM -> holders = holders | 1 << by;
        :: else
        fi;
        see_others(WINDOW_OF(i));
        for (j : 0 .. HONEST - 1) {
#ifndef PLAIN
            if
            :: !gives_lease -> member[j].notars = member[j].notars & ~SLOT(i);
            :: else -> member[j].notars = member[j].notars | (n >= QUORUM) << i;
            fi;
            if
            :: (IS_PAST(j, i) || !has_others || IS_RELEASED(WINDOW_OF(i))) &&
               !(by == j && gives_lease) ->
                member[j].age[i] = T_LEASE;
                member[j].boot = (member[j].last == i + 1 -> T_BOOT : member[j].boot);
            :: else
            fi;
            if
            :: member[j].last == 0 -> member[j].boot = T_BOOT;
            :: member[j].last == i + 1 && (by == LIAR || IS_RELEASED(WINDOW_OF(i))) ->
                member[j].last = LAST_OF(WINDOW_OF(i)) + 1;
            :: else
            fi;
#else
            skip;
#endif
        }
    }
    assert((holders & (holders - 1)) == 0);
    i = 0; /* spin wants a d_step not to end with a loop */
}

inline notar(m, s)
{
    d_step {
        s < SLOTS && (sent & SLOT(s)) && N1(m, s) && L2(m, s) ->
        printf("%d notarises slot %d\n", m, s);
        member[m].notars = member[m].notars | SLOT(s);
        member[m].last = s + 1;
#ifdef LEASE_FROM_CERT /* mutant: it begins when the certificate is there */
        count_notars(s);
        by = leader[WINDOW_OF(s)];
        if
        :: by != LIAR && n == QUORUM -> member[by].age[s] = 0;
        :: else
        fi;
#endif
        check();
    }
}

/* ---- leaders ---- */

#ifdef LAST_KEEPS_LEASE /* mutant: the last candidate of a window does not end the lease */
#define GIVES_UP(s) false
#else
#define GIVES_UP(s) (IS_LAST(s) && leader[WINDOW_OF(s) + 1] != leader[WINDOW_OF(s)])
#endif

inline propose(m, s)
{
    d_step {
        s < SLOTS && leader[WINDOW_OF(s)] == m &&
        (s == member[m].next || (s > member[m].next && s % WINDOW == 0)) &&
        !(skipped & SLOT(WINDOW_OF(s))) ->
        printf("%d proposes slot %d\n", m, s);
        sent = sent | SLOT(s);
        member[m].next = s + 1;
        member[m].first = (GIVES_UP(s) -> s + 1 : member[m].first);
        for (j : 0 .. HONEST - 1) {
            member[j].age[s] = 0;
        }
        check();
    }
}

#if defined(SKIP_KEEPS_LEASE) || defined(SKIP_KEEPS_OLDER)
#define AFTER_SKIP(m, w) member[m].first
#else
#define AFTER_SKIP(m, w) (LAST_OF(w) + 1)
#endif

inline resign(m, w)
{
    d_step {
        w < WINDOWS && leader[w] == m && !(skipped & SLOT(w)) && member[m].next <= LAST_OF(w) + 1 ->
        printf("%d skips its window %d\n", m, w);
        skipped = skipped | SLOT(w);
        member[m].first = AFTER_SKIP(m, w);
        member[m].next = LAST_OF(w) + 1;
        check();
    }
}

/* Own votes are kept, with the candidates. When they were sent or seen is not: what was waited for
 * is seen again now, and what was sent before gives no lease. */
inline restart(m)
{
    d_step {
        true ->
        printf("%d restarts\n", m);
        member[m].boot = 0;
        for (i : 0 .. SLOTS - 1) {
            if
            :: (sent & SLOT(i)) && leader[WINDOW_OF(i)] != LIAR ->
                member[m].age[i] = (member[m].last == i + 1 -> T_LEASE : 0);
#ifdef LEASE_FROM_RESENT /* mutant: of what is sent again, as if for the first time */
                member[m].age[i] = (leader[WINDOW_OF(i)] == m -> 0 : member[m].age[i]);
#endif
            :: else
            fi;
        }
#ifndef LEASE_FROM_RESENT
        member[m].first = (member[m].first > member[m].next -> member[m].first : member[m].next);
#endif
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
    :: notar(_pid, 5)
    :: propose(_pid, 0)
    :: propose(_pid, 1)
    :: propose(_pid, 2)
    :: propose(_pid, 3)
    :: propose(_pid, 4)
    :: propose(_pid, 5)
    :: resign(_pid, 0)
    :: resign(_pid, 1)
    :: resign(_pid, 2)
    :: resign(_pid, 3)
#ifdef RESTART
    :: restart(_pid)
#endif
    od
}

/* ---- time ---- */

#define OLDER(age, by, max) (age + by < max -> age + by : max)

inline advance(m, by)
{
    member[m].boot = OLDER(member[m].boot, by, T_BOOT);
    for (i : 0 .. SLOTS - 1) {
        if
        :: sent & SLOT(i) -> member[m].age[i] = OLDER(member[m].age[i], by, T_LEASE);
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
    byte w, named;
    atomic {
        for (w : 0 .. WINDOWS - 1) {
            if
            :: leader[w] = LIAR
            :: leader[w] = 0
            :: named >= 1 -> leader[w] = 1
            :: named >= 2 -> leader[w] = 2
            fi;
            printf("window %d is led by %d\n", w, leader[w]);
            named = (leader[w] == named -> named + 1 : named);
        }
        named >= 2; /* else there is nothing to exclude */
        named = 0;
        w = 0;
        d_step {
            for (i : 0 .. SLOTS - 1) {
                sent = (leader[WINDOW_OF(i)] == LIAR -> sent | SLOT(i) : sent);
                for (j : 0 .. HONEST - 1) {
                    member[j].age[i] = T_LEASE;
                    member[j].boot = T_BOOT;
                }
            }
            leader[WINDOWS] = leader[WINDOWS - 1];
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
    od
}
