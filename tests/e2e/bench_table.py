#!/usr/bin/env python3
"""The tables of bench/membership and bench/leader, from samples that stand in tests/vectors: medians,
ratios, what is met, and what is said of a row that broke off. Nothing is measured."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402

sys.path.insert(0, os.path.join(mesh.ROOT, "bench"))
from lead_plan import Answer, overlaps  # noqa: E402


def replay(*more, bench="membership"):
    raw = os.path.join(mesh.ROOT, f"tests/vectors/{bench}.jsonl")
    p = subprocess.run([os.path.join(mesh.ROOT, "bench", bench), "--replay", raw, *more],
                       capture_output=True, text=True, timeout=60 * mesh.SCALE)
    expect(f"a goal that is missed is exit 1: {p.returncode} {p.stderr}", p.returncode == 1)
    return p.stdout


class World:
    def __init__(self, directory):
        text = replay("--format", "json") + replay("--format", "json", bench="leader")
        self.figures = {f["figure"]: f for f in map(json.loads, text.splitlines())}

    def is_near(self, figure, field, value):
        found = self.figures[figure][field]
        expect(f"{figure}: {field} is {found}, not {value}",
               found is not None and abs(found - value) < 1e-9)

    def is_met(self, figure, met):
        expect(f"{self.figures[figure]} {'is' if met else 'is not'} met",
               self.figures[figure]["met"] is met)


@test
def a_ratio_is_of_medians_and_serf_is_the_measure(w):
    w.is_near("event_s", "ours", 0.005)
    w.is_near("event_s", "serf", 0.5)
    w.is_near("event_s", "ratio", 0.01)
    w.is_near("event_s", "goal", 0.05)
    w.is_met("event_s", True)
    w.is_near("join_s", "ratio", 0.6)
    w.is_met("join_s", False)


@test
def idle_bytes_stand_beside_encrypted_ones(w):
    w.is_near("idle_bytes_per_s", "serf", 400)
    w.is_near("idle_bytes_per_s", "ratio", 1.5)
    w.is_met("idle_bytes_per_s", True)


@test
def what_an_election_costs_is_shown_without_a_goal(w):
    w.is_near("idle_bytes_on_per_s", "ours", 1000)
    w.is_near("idle_bytes_on_per_s", "serf", 400)
    w.is_near("idle_bytes_on_per_s", "ratio", 2.5)
    w.is_met("idle_bytes_on_per_s", True)
    w.is_met("idle_cpu_on_percent", False)


@test
def the_worst_sample_is_held_to_its_goal(w):
    expect("worst of all joins", w.figures["join_worst_s"]["ours_range"] == [0.1, 0.5])
    w.is_met("join_worst_s", True)
    w.is_near("heal_loss_s", "ours", 3.5)
    w.is_met("heal_loss_s", False)
    w.is_near("kill_tail", "ours", 2.5)
    w.is_met("kill_tail", False)


@test
def what_is_counted_over_all_samples(w):
    w.is_near("event_missed", "ours", 1)
    w.is_met("event_missed", False)
    w.is_near("kill_wrong", "ours", 2)
    w.is_near("kill_wrong", "serf", 1)
    w.is_met("kill_wrong", False)
    w.is_near("member_kib", "ours", 2)
    w.is_met("member_kib", True)
    w.is_near("flood_kill_ratio", "ours", 1.05)
    w.is_met("flood_kill_ratio", True)


@test
def a_row_that_broke_off_is_not_met_and_says_why(w):
    w.is_met("hang_s", False)
    expect(f"why: {w.figures['hang_s']}", "not known to all" in w.figures["hang_s"]["reason"])
    w.is_met("pause5_accused", False)
    expect(f"not run: {w.figures['pause5_accused']}", "not run" in w.figures["pause5_accused"]["reason"])


@test
def the_table_for_people_says_where_bytes_go(w):
    text = replay()
    expect(f"its parts add up: {text[-600:]}",
           all(part in text for part in ("104.0 B", "208.0 B", "240.0 B", "48.0 B")))
    expect(f"what was not run: {text}", "NOT RUN" in text and "not known to all" in text)


@test
def a_leader_stands_beside_etcd(w):
    w.is_near("failover_s", "ours", 3.2)
    w.is_near("failover_s", "etcd", 1.6)
    w.is_near("failover_s", "ratio", 2)
    w.is_met("failover_s", True)
    w.is_met("failover_worst_s", False)
    w.is_near("failover_tuned_s", "ratio", 0.75)
    w.is_met("failover_tuned_s", True)
    w.is_near("transfer_ms", "ours", 12)
    w.is_met("transfer_ms", True)
    w.is_near("idle_leader_cpu_percent", "off", 0.05)
    w.is_met("idle_leader_cpu_percent", True)


@test
def the_slowest_slot_is_held_to_its_goal(w):
    w.is_near("slot_final_100_s", "ours", 0.3)
    w.is_near("slot_final_100_s", "goal", 1)
    w.is_met("slot_final_100_s", False)


@test
def the_goal_of_a_write_is_three_writes_and_three_messages(w):
    w.is_near("put_ms", "goal", 1.2)
    w.is_met("put_ms", False)
    w.is_met("put_apart_ms", True)


@test
def a_goal_may_be_the_least(w):
    w.is_near("vote_verify_ratio", "goal", 0.9)
    w.is_met("vote_verify_ratio", False)


@test
def one_moment_with_two_leases_is_one_too_many(w):
    w.is_met("two_leases", False)
    a, b, c = (Answer(0, 1.0, 1.2, 7, 900), Answer(1, 1.1, 1.3, 8, 900), Answer(0, 1.25, 1.4, 7, 700))
    expect("both were under way", overlaps([c, a, b]) == 2)
    expect("one after the other", overlaps([a, b._replace(sent=1.21)]) == 0)
    expect("one node twice", overlaps([a, a._replace(sent=1.1)]) == 0)


@test
def the_table_names_whom_a_figure_stands_beside(w):
    text = replay(bench="leader")
    expect(text, "  etcd  " in text and "(off)" in text and "  shown" in text and
           "least 0.9" in text and "worst 5" in text)


if __name__ == "__main__":
    sys.exit(main(World))
