"""What `bench/membership` does to a cluster, row by row: each function does one thing once and gives
its samples, {"figure", "value", ..}; which cluster it was, and which run, is put to them later.
"""
import signal
import statistics
import time

import benchlib
import crowd
from fleet import now
from mesh import Failed

SETTLE_S = 10      # of quiet, before an idle cluster is measured
DETECT_S = 90      # bound of one detection
HEAL_S = 180       # and of one healing
EVENT_WAIT_S = 10  # after the last event: what comes later still counts as missed
PAYLOAD = b"x" * 64


def sample(figure, value, **more):
    return {"figure": figure, "value": value, **more}


def join(fleet, n):
    """All start alone, then each but the first is told to join it, back to back."""
    last, full = fleet.form(n)
    return [sample("join_s", full - last)]


def start(fleet, n):
    """All but the first are started with its address, back to back."""
    last, full = fleet.form_started(n)
    return [sample("start_s", full - last)]


def memory(fleet, n):
    """Of a fresh cluster of so many, once it is quiet."""
    fleet.form(n)
    time.sleep(SETTLE_S)
    return [sample("own_memory_kib", statistics.mean(benchlib.memory_kib(pid, "Anonymous")
                                                     for pid in fleet.pids()))]


def idle(fleet, seconds):
    """One window in which nothing happens."""
    if not fleet.is_quiet:
        fleet.side.quiet(list(fleet.processes))
        time.sleep(SETTLE_S)
        fleet.is_quiet = True
    pids, members, mark = fleet.pids(), list(fleet.processes), fleet.feed.mark()
    frames = fleet.side.frames(members)
    packets, threads, began = fleet.net.count(), benchlib.by_thread(pids), now()
    time.sleep(seconds)
    took, packets_end, threads_end = now() - began, fleet.net.count(), benchlib.by_thread(pids)
    frames_end = fleet.side.frames(members)
    each = took * len(pids)
    per = {kind: [(packets_end[kind][i] - packets[kind][i]) / each for i in (0, 1)]
           for kind in packets}
    spent = {name: [(end[0] - threads[name][0]) / 1e7 / each, (end[1] - threads[name][1]) / each]
             for name, end in threads_end.items()}
    return [sample("idle_cpu_percent", sum(cpu for cpu, _ in spent.values()),
                   threads={name: [round(v, 5) for v in both] for name, both in spent.items()}),
            sample("idle_wakeups_per_s", sum(sleeps for _, sleeps in spent.values())),
            sample("idle_bytes_per_s", per["acks"][1] + per["others"][1],
                   acks=per["acks"], others=per["others"],
                   frames={k: round((frames_end[k] - frames[k]) / each, 4) for k in frames_end}),
            sample("idle_pss_kib", statistics.mean(benchlib.memory_kib(p) for p in pids)),
            sample("own_memory_kib", statistics.mean(benchlib.memory_kib(p, "Anonymous")
                                                     for p in pids)),
            sample("idle_false", len(fleet.feed.since(mark, "down")))]


def events(fleet, count, gap_s, loss=0):
    """User events of random members, one every gap_s, until each has been heard by all others."""
    figure = f"event_loss{loss}_s" if loss else "event_s"
    names = {fleet.names[i]: i for i in fleet.processes}
    sent, mark, run = {}, fleet.feed.mark(), fleet.random.randrange(1 << 30)
    fleet.net.lose(loss)
    for k in range(count):
        source, name = fleet.random.choice(list(names.values())), f"e{run}-{k}"
        sent[name] = (now(), source)
        fleet.side.event(source, name, PAYLOAD)
        time.sleep(max(0.0, sent[name][0] + gap_s - now()))

    def heard():
        got = {name: {} for name in sent}
        for e in fleet.feed.events[mark:]:
            if e.kind == "msg" and e.name in got and e.index != sent[e.name][1]:
                got[e.name].setdefault(e.index, e.at)
        return got
    end = now() + EVENT_WAIT_S
    while now() < end and any(len(got) < len(names) - 1 for got in heard().values()):
        time.sleep(0.5)
    fleet.net.lose(0)
    out = []
    for name, got in heard().items():
        missed = len(names) - 1 - len(got)
        out.append(sample(figure, None if missed else max(got.values()) - sent[name][0],
                          missed=missed))
    return out


def detect(fleet, how):
    """One member is killed (its sockets close) or stopped (nothing gives it away)."""
    victim = fleet.victim()
    name, mark = fleet.names[victim], fleet.feed.mark()
    others = fleet.others(victim)
    if how == "hang":
        at = now()
        fleet.signal(victim, signal.SIGSTOP)
    else:
        at = fleet.kill(victim)
    known = fleet.feed.wait(lambda: all(name not in fleet.feed.tables[i] for i in others), DETECT_S)
    if not known:
        raise Failed(f"{how}: not known to all after {DETECT_S} s")
    known_at = now()
    told = [e for e in fleet.feed.since(mark, "suspect", "down") if e.index in others]
    downs = [e.at - at for e in told if e.kind == "down" and e.name == name]
    suspects = [e.at - at for e in told if e.kind == "suspect" and e.name == name]
    if how == "hang":
        fleet.kill(victim)
    fleet.back(victim)
    time.sleep(0.2 + fleet.random.random())  # any phase of anybody's probes
    wrong = [e for e in fleet.feed.since(mark, "down") if e.name != name or e.at > known_at]
    return [sample(f"{how}_s", max(downs), first_s=min(downs), wrong=len(wrong),
                   first_suspect_s=min(suspects, default=None))]


def detection(fleet, how, count):
    return [s for _ in range(count) for s in detect(fleet, how)]


def pause(fleet, seconds):
    """A tenth stops running for a while, and goes on."""
    slow = fleet.random.sample(fleet.others(0), max(1, len(fleet.processes) // 10))
    names, mark = {fleet.names[i] for i in slow}, fleet.feed.mark()
    for i in slow:
        fleet.signal(i, signal.SIGSTOP)
    time.sleep(seconds)
    for i in slow:
        fleet.signal(i, signal.SIGCONT)
    ended = now()
    time.sleep(SETTLE_S)
    right_s = fleet.heal(ended, HEAL_S)
    told = [e for e in fleet.feed.since(mark, "suspect", "down") if e.name not in names]
    if right_s is None:
        raise Failed(f"tables are wrong {HEAL_S} s after a pause of {seconds} s")
    return [sample(f"pause{seconds}_accused", sum(e.kind == "down" for e in told),
                   suspected=sum(e.kind == "suspect" for e in told),
                   suspected_by_healthy=sum(e.kind == "suspect" and e.index not in slow
                                            for e in told), right_s=right_s)]


def loss(fleet, percent, seconds):
    """Each packet is lost with this probability; nobody fails."""
    mark = fleet.feed.mark()
    fleet.net.lose(percent)
    time.sleep(seconds)
    told = fleet.feed.since(mark, "suspect", "down")
    fleet.net.lose(0)
    right_s = fleet.heal(now(), HEAL_S)
    return [sample(f"false_loss{percent}_per_min",
                   sum(e.kind == "down" for e in told) * 60 / seconds, seconds=seconds,
                   suspected=sum(e.kind == "suspect" for e in told)),
            sample("heal_loss_s", HEAL_S if right_s is None else right_s, percent=percent)]


def part(fleet, seconds):
    """Two halves that cannot reach each other, and then can again."""
    fleet.net.part(True)
    time.sleep(seconds)
    lost = sum(len(fleet.feed.tables[i]) < len(fleet.processes) for i in fleet.processes)
    fleet.net.part(False)
    right_s = fleet.heal(now(), HEAL_S)
    return [sample("heal_part_s", HEAL_S if right_s is None else right_s, seconds=seconds,
                   had_noticed=lost)]


def deaths(fleet, count):
    """Several die at once."""
    victims = fleet.random.sample(fleet.others(0), count)
    names = {fleet.names[i] for i in victims}
    others, at = fleet.others(*victims), now()
    for i in victims:
        fleet.kill(i)
    known = fleet.feed.wait(lambda: not any(names & fleet.feed.tables[i] for i in others), HEAL_S)
    if not known:
        raise Failed(f"{count} deaths are not known to all after {HEAL_S} s")
    took = fleet.feed.changed_at - at
    for i in victims:
        fleet.back(i)
    return [sample("deaths_s", took, deaths=count)]


def flood(fleet, rate, count):
    """Detections and events, first in peace, then while strangers try to join."""
    replay = crowd.record_join(fleet)
    out, mark = [], fleet.feed.mark()
    for when in ("peace", "flood"):
        strangers = crowd.Flood(fleet, replay, rate, count) if when == "flood" else None
        told = events(fleet, 40, 0.05)
        out += [sample(f"{when}_event_s", s["value"], missed=s["missed"]) for s in told]
        while len([s for s in out if s["figure"] == f"{when}_kill_s"]) < 4:
            if strangers and not strangers.running():
                break
            out += [sample(f"{when}_kill_s", s["value"]) for s in detect(fleet, "kill")]
        if strangers:
            result = strangers.result()
    known = set(fleet.names)
    entered = {e.name for e in fleet.feed.since(mark, "up") if e.name not in known}
    for i in fleet.processes:
        entered |= fleet.side.table(i) - known
    return out + [sample("forged_in_tables", len(entered), **result)]


ROWS = {f.__name__: f for f in (join, start, memory, idle, events, detection, pause, loss, part, deaths,
                                flood)}
FORMING = ("join", "start", "memory")  # these bring their cluster about themselves
