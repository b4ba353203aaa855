"""What `bench/leader` measures, and what becomes of the samples: pure, so that a file of samples gives
the same table on any machine.
"""
import collections
import statistics

import plan

MEMBERS, MANY, HUNDRED = 5, 50, 100
ROUND_TRIP_MS = 0.1  # on loopback
ROWS = {"failover": ("ours", "etcd"), "tuned": ("ours",), "transfer": ("ours", "etcd"),
        "put": ("ours", "etcd"), "idle": ("ours", "off"), "votes": ("ours",), "slot": ("ours",)}

# A member said in between these two that it may act as leader.
Answer = collections.namedtuple("Answer", "member sent received token remaining_ms")


def overlaps(answers):
    """How often two members claimed the lead at what may have been the same time: pairs of answers of
    two members that were both under way at one moment."""
    count, open_ = 0, []
    for one in sorted(answers, key=lambda a: a.sent):
        open_ = [a for a in open_ if a.received >= one.sent]
        count += sum(a.member != one.member for a in open_)
        open_.append(one)
    return count


def put_goal(samples):
    """Three messages, one after the other, and three writes that must be on disk; None: not known."""
    writes = samples.values("fdatasync_ms", MEMBERS, "ours")
    return 3 * statistics.median(writes) + 3 * ROUND_TRIP_MS if writes else None


def etcd_as(figure, theirs):
    """Beside a figure of ours, another one of etcd's."""
    return lambda samples, n, side: samples.values(theirs if side == "etcd" else figure, n, side)


def lines(samples, is_quick):
    goal = put_goal(samples)
    out = [
        plan.Line("failover", "failover_s", "s", MEMBERS, goal=3.5, beside="etcd"),
        plan.Line("failover", "failover_worst_s", "s", MEMBERS, "failover_s", goal=5, worst=True,
                  beside="etcd"),
        plan.Line("tuned", "failover_tuned_s", "s", MEMBERS, shown=True, beside="etcd",
                  take=etcd_as("failover_tuned_s", "failover_s")),
        plan.Line("failover", "two_leases", "", MEMBERS, goal=0, worst=True, beside="etcd"),
        plan.Line("transfer", "transfer_ms", "ms", MEMBERS, goal=100, beside="etcd"),
        plan.Line("put", "put_ms", "ms", MEMBERS, goal=goal, beside="etcd"),
        plan.Line("put", "put_apart_ms", "ms", MEMBERS, goal=goal, beside="etcd"),
        plan.Line("put", "fdatasync_ms", "ms", MEMBERS, shown=True, beside="etcd"),
        plan.Line("idle", "idle_leader_cpu_percent", "% of a core", MEMBERS, "idle_cpu_percent",
                  goal=0.5, beside="off"),
    ]
    if not is_quick:
        out.append(plan.Line("idle", "idle_leader_cpu_percent", "% of a core", MANY,
                             "idle_cpu_percent", goal=2, beside="off"))
    out.append(plan.Line("votes", "vote_verify_ratio", "", 1, goal=0.9, least=True, beside="etcd"))
    out.append(plan.Line("slot", "slot_final_100_s", "s", HUNDRED, goal=1, worst=True,
                         beside="etcd"))
    return out


def figures(raw, is_quick, rows=None):
    samples = plan.Samples(raw)
    return [line.result(samples) for line in lines(samples, is_quick)
            if not rows or line.row in rows]


def unmeasured(reason, is_quick, rows=None):
    raw = [{"row": row, "n": n, "side": "ours", "reason": reason}
           for row in ROWS for n in (1, MEMBERS, MANY, HUNDRED)]
    return figures(raw, is_quick, rows)
