"""What all benchmarks share: a private namespace, what /proc says of a process, and one way to
print a figure. Standard library only.

A figure is the median of at least three runs, printed with the lowest and the highest. One that
could not be taken is printed as not met, with the reason.
"""
import argparse
import collections
import json
import os
import shutil
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
IN_NAMESPACE = "NFTMESH_BENCH_NAMESPACE"
sys.path.insert(0, os.path.join(HERE, "..", "tests", "e2e"))


class CannotRun(Exception):
    """Why a figure cannot be taken on this machine, in one line."""


# ---- what is said -------------------------------------------------------------------------------

class Spread:
    """Values of several runs: their median, and how far apart they were."""

    def __init__(self, values):
        values = list(values)
        self.count = len(values)
        self.median = statistics.median(values)
        self.range = [min(values), max(values)]

    def text(self):
        return f"{short(self.median)} [{short(self.range[0])}, {short(self.range[1])}]"


def short(value):
    """Three significant digits, and no more than anybody needs."""
    if value is None:
        return "-"
    if abs(value) < 0.0005:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Figure:
    """One line. goal: ours must not be above it; limit: ours over serf must not; else met says.
    worst: it is the highest of ours that must not, and not the median. least: ours must not be below
    the goal. shown: there is no goal. beside: whom serf's values are of, who need not be serf."""

    def __init__(self, name, unit, n, ours=None, serf=None, goal=None, limit=None, reason=None,
                 met=None, worst=False, beside="serf", least=False, shown=False):
        self.name, self.unit, self.n, self.reason, self.beside = name, unit, n, reason, beside
        self.ours = Spread(ours) if ours else None
        self.serf = Spread(serf) if serf else None
        self.ratio = None
        if self.ours and self.serf and self.serf.median > 0:
            self.ratio = self.ours.median / self.serf.median
        self.goal, self.goal_text = goal, short(goal)
        if limit is not None:
            self.goal_text = f"{limit:g} x {beside}"
            self.goal = limit * self.serf.median if self.serf else None
        elif worst or least:
            self.goal_text = f"{'worst' if worst else 'least'} {short(goal)}"
        self.mark = None  # in place of "met"
        if met is not None:
            self.met, self.goal_text = met and reason is None, "constant"
        elif shown:
            self.met, self.mark = bool(reason is None and self.ours), "shown"
        elif least:
            self.met = bool(reason is None and self.ours and self.ours.median >= goal)
        else:
            self.met = bool(reason is None and self.ours and self.goal is not None and
                            (self.ours.range[1] if worst else self.ours.median) <= self.goal)

    def object(self):
        def number(value):
            return None if value is None else float(f"{value:.5g}")
        peer = self.peer()
        out = {"figure": self.name, "n": self.n,
               "ours": number(self.ours and self.ours.median),
               peer: number(self.serf and self.serf.median), "ratio": number(self.ratio),
               "goal": number(self.goal), "met": self.met, "unit": self.unit}
        if self.ours:
            out["runs"] = self.ours.count
            out["ours_range"] = [number(v) for v in self.ours.range]
        if self.serf:
            out[f"{peer}_range"] = [number(v) for v in self.serf.range]
            out["beside"] = self.beside
        if self.reason:
            out["reason"] = self.reason
        return out

    def peer(self):
        """serf and serf-aes are one program."""
        return "serf" if self.beside.startswith("serf") else self.beside

    def row(self, head):
        """head: whom the column is of; another is named in its cell."""
        beside = self.serf.text() if self.serf else "-"
        if self.serf and self.peer() != head:
            beside += f" ({self.peer()})"
        return [self.name, self.unit, str(self.n), self.ours.text() if self.ours else "-",
                beside, short(self.ratio), self.goal_text,
                (self.mark or "met") if self.met else "MISSED" if self.reason is None else "NOT RUN"]


def show(title, figures, form):
    """The figures as a table for people or as one JSON object a line; 0 if all goals are met."""
    if form == "json":
        for f in figures:
            print(json.dumps(f.object()), flush=True)
    else:
        peer = statistics.mode(f.peer() for f in figures)
        head = ["figure", "unit", "n", "ours", peer, "ratio", "goal", ""]
        rows = [head] + [f.row(peer) for f in figures]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        print(f"{title}\nmedian [lowest, highest]\n")
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
        for reason in dict.fromkeys(f.reason for f in figures if f.reason):
            print(f"\nnot run: {reason}")
        print(flush=True)
    return 0 if all(f.met for f in figures) else 1


# ---- how a benchmark runs -----------------------------------------------------------------------

def parser(text):
    p = argparse.ArgumentParser(description=text,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--format", choices=["table", "json"], default="table")
    p.add_argument("--keep", action="store_true", help="keep the directory with all logs")
    return p


def need_root():
    if os.geteuid() != 0:
        raise CannotRun("needs root: it measures in a network namespace of its own")


def enter_namespace():
    """Runs this program again in a network and process namespace that dies with it."""
    if os.environ.get(IN_NAMESPACE) == "1":
        from subprocess import run
        run(["ip", "link", "set", "lo", "up"], check=True)
        return
    need_root()
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            raise CannotRun(f"needs `{tool}` (Debian: util-linux, iproute2)")
    env = dict(os.environ, PYTHONUNBUFFERED="1")
    env[IN_NAMESPACE] = "1"
    os.execvpe("unshare", ["unshare", "-n", "-p", "-f", "-m", "--kill-child", "--mount-proc", "--",
                           sys.executable] + sys.argv, env)


def need_parts():
    """What our own side needs: a build, and the local chain's packages."""
    import mesh
    for path, how in ((mesh.NFTMESH, "build the project, or set NFTMESH_BUILD"),
                      (mesh.ANVIL, "run `npm ci` in contracts/"),
                      (mesh.ARTIFACT, "compile the contracts")):
        if not os.path.exists(path):
            raise CannotRun(f"{path} is missing: {how}")


def has_serf():
    return shutil.which("serf") is not None


def need_serf():
    if not has_serf():
        raise CannotRun("serf is missing (Debian: serf), and the goal is a part of its time")


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{len(models)} x {models[0] if models else '?'}, Linux {os.uname().release}"


def main(args, title, unmeasured, measure):
    """measure(directory) gives the figures; unmeasured(reason) the same lines without values."""
    directory = None
    try:
        need_parts()
        enter_namespace()
        directory = tempfile.mkdtemp(prefix="nftmesh-bench-")
        figures = measure(directory)
    except CannotRun as e:
        figures = unmeasured(str(e))
    except Exception as e:  # noqa: BLE001 - whatever it was: not met, and why
        if args.format == "table":
            import traceback
            traceback.print_exc()
        args.keep = True
        figures = unmeasured(f"{type(e).__name__}: {e}" + (f"; logs: {directory}"
                                                           if directory else ""))
    finally:
        import mesh
        mesh.stop_all()
        if directory and not args.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return show(f"{title}\n{machine()}", figures, args.format)


# ---- what /proc says ----------------------------------------------------------------------------

def threads(pid):
    """thread -> (name, CPU ns, times it went to sleep)."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        at = f"/proc/{pid}/task/{tid}/"
        try:
            with open(at + "comm") as f:
                name = f.read().strip()
            with open(at + "schedstat") as f:
                cpu_ns = int(f.read().split()[0])
            with open(at + "status") as f:
                sleeps = next(int(line.split()[1]) for line in f
                              if line.startswith("voluntary_ctxt_switches"))
        except OSError:  # it has just ended
            continue
        found[tid] = (name, cpu_ns, sleeps)
    return found


def by_thread(pids):
    """thread's name -> [CPU ns, times it went to sleep], of all these processes together."""
    found = collections.defaultdict(lambda: [0, 0])
    for pid in pids:
        for name, cpu_ns, sleeps in threads(pid).values():
            found[name][0] += cpu_ns
            found[name][1] += sleeps
    return found


def memory_kib(pid, what="Pss"):
    """A line of smaps_rollup: Pss, with a part of what is shared; Anonymous, what is its own."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(f"{what}:"))
