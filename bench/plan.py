"""What `bench/membership` runs, in which order, and what becomes of the samples: pure, so that a file
of samples gives the same table on any machine.
"""
import collections
import statistics

from benchlib import Figure

BOTH = ("ours", "serf")
ALL = ("ours", "serf", "serf-aes")
ELECTING = "ours-on"  # our nodes with an election among them; "ours" is without

# One thing that is done times times: to each side in turn, or to all of them at the same time. serf
# is slower at most of it, and gets as much done in the same time with serf_args.
Step = collections.namedtuple("Step", "row n op args times sides together serf_args")


def step(row, n, op, args, times=1, sides=BOTH, together=False, serf_args=None):
    return Step(row, n, op, args, times, sides, together, {**args, **(serf_args or {})})


def args_of(one, side):
    return one.args if side == "ours" else one.serf_args


def small(is_quick):
    """Twenty members; what is measured of fifty otherwise, only when it is quick."""
    hangs, window = (3, 12) if is_quick else (6, 30)
    out = [
        step("member", 5, "memory", {"n": 5}),
        step("join", 20, "start", {"n": 20}, 5),
        step("join", 20, "join", {"n": 20}, 5),
        step("idle", 20, "idle", {"seconds": window}, 5, ALL + (ELECTING,), True),
        step("event", 20, "events", {"count": 100, "gap_s": 0.06}, 3, ALL),
        step("event", 20, "events", {"count": 100, "gap_s": 0.1, "loss": 10}, 3, BOTH, True),
        step("kill", 20, "detection", {"how": "kill", "count": 6}, 5, BOTH, True, {"count": 1}),
        step("hang", 20, "detection", {"how": "hang", "count": hangs}, 5, BOTH, True, {"count": 1}),
        step("flood", 20, "flood", {"rate": 1000, "count": 10000}, 1 if is_quick else 3, ("ours",)),
    ]
    return out + unkind(20, 20, 1, 1, 15) if is_quick else out


def unkind(n, loss_s, losses, parts, part_s, loss10_s=None):
    """Slow members, lost packets, halves that do not reach each other."""
    return [
        step("pause", n, "pause", {"seconds": 5}, 1, BOTH, True),
        step("pause", n, "pause", {"seconds": 15}, 1, BOTH, True),
        step("loss", n, "loss", {"percent": 10, "seconds": loss10_s or loss_s}, 1, BOTH, True),
        step("loss", n, "loss", {"percent": 30, "seconds": loss_s}, losses, BOTH, True),
        step("loss", n, "loss", {"percent": 50, "seconds": loss_s}, losses, BOTH, True),
        step("part", n, "part", {"seconds": part_s}, parts, BOTH, True),
    ]


def middle():
    """Fifty."""
    return [
        step("join", 50, "join", {"n": 50}, 5),
        step("join", 50, "join", {"n": 50}, 45, ("ours",)),
        step("idle", 50, "idle", {"seconds": 30}, 5, BOTH, True),
        step("hang", 50, "detection", {"how": "hang", "count": 1}, 5, BOTH, True),
    ] + unkind(50, 60, 5, 3, 30, 600)


def large():
    """A hundred; and two hundred of ours alone."""
    return [
        step("join", 100, "join", {"n": 100}, 5),
        step("event", 100, "events", {"count": 60, "gap_s": 0.2}, 5),
        step("event", 100, "events", {"count": 60, "gap_s": 0.2, "loss": 10}, 5, BOTH, True),
        step("kill", 100, "detection", {"how": "kill", "count": 1}, 5, BOTH, True),
        step("large", 200, "join", {"n": 200}, 1, ("ours",)),
        step("large", 200, "deaths", {"count": 10}, 1, ("ours",)),
        step("large", 200, "part", {"seconds": 30}, 1, ("ours",)),
    ]


def steps(is_quick):
    return small(True) if is_quick else small(False) + middle() + large()


# ---- the table -----------------------------------------------------------------------------------

class Samples:
    """All that was measured: (figure, n, side) -> values in their order."""

    def __init__(self, lines):
        self.of, self.whole, self.reasons = {}, {}, {}
        for line in lines:
            if "reason" in line:
                key = line["row"], line["n"], line.get("side", "ours")
                self.reasons.setdefault(key, line["reason"])
            if "figure" in line:
                key = line["figure"], line["n"], line["side"]
                self.whole.setdefault(key, []).append(line)
                if line["value"] is not None:
                    self.of.setdefault(key, []).append(line["value"])

    def values(self, figure, n, side):
        return self.of.get((figure, n, side), [])


class Line:
    """One line of the table: which samples, and what is asked of them.

    limit  ours over serf's, medians; goal: what ours must not be above, or with least below; worst:
    by its worst sample; shown: no goal. side: whose samples are ours.
    """

    def __init__(self, row, name, unit, n, figure=None, limit=None, goal=None, worst=False,
                 beside="serf", take=None, least=False, shown=False, side="ours"):
        self.row, self.name, self.unit, self.n = row, name, unit, n
        self.least, self.shown, self.side = least, shown, side
        self.figure, self.limit, self.goal = figure or name, limit, goal
        self.worst, self.beside, self.take = worst, beside, take or (lambda s, n, side: s.values(
            self.figure, n, side))

    def result(self, samples):
        ours = self.take(samples, self.n, self.side)
        theirs = self.take(samples, self.n, self.beside)
        # A run of ours that broke off is not hidden behind those that did not.
        reason = samples.reasons.get((self.row, self.n, self.side))
        if reason is None and (not ours or (self.limit is not None and not theirs)):
            reason = samples.reasons.get((self.row, self.n, self.beside),
                                         f"{self.row}, n = {self.n}: not run")
        return Figure(self.name, self.unit, self.n, ours, theirs, self.goal, self.limit, reason,
                      worst=self.worst, beside=self.beside, least=self.least, shown=self.shown)


def missed(figure):
    """Deliveries that never came, over all events."""
    def take(samples, n, side):
        lines = samples.whole.get((figure, n, side))
        return [sum(line["missed"] for line in lines)] if lines else []
    return take


def wrong(figure):
    """What was said to have failed and had not, from a death until the dead one is back: a death."""
    def take(samples, n, side):
        lines = samples.whole.get((figure, n, side))
        return [sum(line["wrong"] for line in lines) / len(lines)] if lines else []
    return take


def tail(figure):
    """The worst as a multiple of the median."""
    def take(samples, n, side):
        values = samples.values(figure, n, side)
        return [max(values) / statistics.median(values)] if values and side == "ours" else []
    return take


def flooded(figure):
    """Under a flood, as a multiple of the same in peace."""
    def take(samples, n, side):
        peace, flood = (samples.values(f"{when}_{figure}", n, side) for when in ("peace", "flood"))
        return [statistics.median(flood) / statistics.median(peace)] if peace and flood else []
    return take


def per_member(samples, n, side):
    """What a member more costs each: a cluster of n beside one of 5."""
    few, many = samples.values("own_memory_kib", 5, side), samples.values("own_memory_kib", n, side)
    return [(statistics.median(many) - statistics.median(few)) / (n - 5)] if few and many else []


def lines(is_quick):
    out = []
    for n in (20,) if is_quick else (20, 100):
        out += [Line("event", "event_s", "s", n, limit=0.10),
                Line("event", "event_worst_s", "s", n, "event_s", goal=2, worst=True),
                Line("event", "event_missed", "", n, goal=0, take=missed("event_s")),
                Line("event", "event_loss10_worst_s", "s", n, "event_loss10_s", goal=2, worst=True),
                Line("event", "event_loss10_missed", "", n, goal=0, take=missed("event_loss10_s"))]
    out.append(Line("event", "event_aes_s", "s", 20, "event_s", limit=0.10, beside="serf-aes"))
    for n in (20,) if is_quick else (20, 50, 100):
        out.append(Line("join", "join_s", "s", n, limit=0.5))
    out.append(Line("join", "start_s", "s", 20, limit=1))
    out.append(Line("join", "join_worst_s", "s", 20 if is_quick else 50, "join_s", goal=5,
                    worst=True))
    for n in (20,) if is_quick else (20, 100):
        out += [Line("kill", "kill_s", "s", n, limit=0.25),
                Line("kill", "kill_wrong", "a death", n, limit=1, take=wrong("kill_s"))]
    for n in (20,) if is_quick else (20, 50):
        out += [Line("hang", "hang_s", "s", n, limit=0.6),
                Line("hang", "hang_wrong", "a death", n, limit=1, take=wrong("hang_s"))]
    out += [Line("kill", "kill_tail", "x median", 20, goal=2, take=tail("kill_s")),
            Line("hang", "hang_tail", "x median", 20, goal=2, take=tail("hang_s"))]
    n = 20 if is_quick else 50
    out += [Line("loss", "false_loss10_per_min", "1/min", n, goal=0, worst=True),
            Line("loss", "false_loss30_per_min", "1/min", n, limit=0.25),
            Line("loss", "false_loss50_per_min", "1/min", n, limit=0.25),
            Line("pause", "pause5_accused", "", n, goal=0, worst=True),
            Line("pause", "pause15_accused", "", n, goal=0, worst=True),
            Line("loss", "heal_loss_s", "s", n, goal=5, worst=True),
            Line("part", "heal_part_s", "s", n, goal=5, worst=True),
            Line("idle", "idle_cpu_percent", "% of a core", 20, limit=0.5),
            Line("idle", "idle_cpu_on_percent", "% of a core", 20, "idle_cpu_percent", shown=True,
                 side=ELECTING),
            Line("idle", "idle_wakeups_per_s", "1/s", 20, limit=0.3),
            Line("idle", "idle_bytes_per_s", "B/s", 20, limit=1.5, beside="serf-aes"),
            Line("idle", "idle_bytes_on_per_s", "B/s", 20, "idle_bytes_per_s", shown=True,
                 beside="serf-aes", side=ELECTING),
            Line("idle", "idle_pss_kib", "KiB", n, limit=0.6),
            Line("member", "member_kib", "KiB", n, goal=2, take=per_member)]
    out += [Line("flood", "forged_in_tables", "", 20, goal=0, worst=True),
            Line("flood", "flood_kill_ratio", "x peace", 20, goal=1.1, take=flooded("kill_s")),
            Line("flood", "flood_event_ratio", "x peace", 20, goal=1.1, take=flooded("event_s"))]
    if not is_quick:
        out += [Line("large", "form_s", "s", 200, "join_s", goal=120, worst=True),
                Line("large", "deaths_s", "s", 200, goal=60, worst=True),
                Line("large", "heal_part_s", "s", 200, goal=60, worst=True)]
    return out


def where_bytes_go(samples, n):
    """Lines of text: an idle node's bytes by cause, medians over the windows."""
    windows = samples.whole.get(("idle_bytes_per_s", n, "ours"))
    if not windows:
        return []

    def median(get):
        return statistics.median(get(w) for w in windows)
    frames = sorted(k for k in windows[0]["frames"] if k != "bytes")
    acks, data = median(lambda w: w["acks"][1]), median(lambda w: w["others"][1])
    headers = 52 * median(lambda w: w["others"][0])
    body = median(lambda w: w["frames"]["bytes"])
    out = [f"where an idle node's bytes go, n = {n}, received, per second:",
           f"  {'packets without data':<28} {acks:7.1f} B  ({median(lambda w: w['acks'][0]):.2f})",
           f"  {'IP and TCP of those with':<28} {headers:7.1f} B  "
           f"({median(lambda w: w['others'][0]):.2f})",
           f"  {'our frames':<28} {body:7.1f} B",
           f"  {'around them: nng, window':<28} {data - headers - body:7.1f} B"]
    rates = [(median(lambda w, k=k: w["frames"].get(k, 0)), k) for k in frames]
    out.append("  frames: " + ", ".join(f"{k} {rate:.2f}" for rate, k in sorted(rates)[::-1]
                                        if rate >= 0.005))
    return out


def where_time_goes(samples, n):
    """Lines of text: an idle node's CPU and wakeups by thread."""
    windows = samples.whole.get(("idle_cpu_percent", n, "ours"))
    if not windows:
        return []
    out = [f"where an idle node's CPU and wakeups go, n = {n}:"]
    for name in sorted({k for w in windows for k in w["threads"]}):
        cpu, sleeps = (statistics.median(w["threads"].get(name, (0, 0))[i] for w in windows)
                       for i in (0, 1))
        if cpu >= 0.0005 or sleeps >= 0.05:
            out.append(f"  {name:<16} {cpu:7.4f} %  {sleeps:6.1f} /s")
    return out



