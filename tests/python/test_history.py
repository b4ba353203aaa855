"""The checker of tests/e2e/history.py, which says nothing about a good history and has a bad one for each
complaint."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from history_check import Increment, Lease, complaints, lease_complaints  # noqa: E402

# Two clients: what they ask for at the same time may be counted in either order.
GOOD = [Increment("a1", 0.0, 1.0, 1), Increment("b1", 0.5, 3.0, 3), Increment("a2", 1.1, 2.0, 2),
        Increment("a3", 2.1, 4.0, 4), Increment("b2", 3.1, 5.0, 5)]


def but(**changed):
    """GOOD, with other fields of some requests."""
    return [i._replace(**changed.get(i.request, {})) for i in GOOD]


class Histories(unittest.TestCase):
    def accused(self, increments, total, *kinds, again=None):
        said = complaints(increments, total, again)
        self.assertEqual([c.split(":")[0] for c in said], list(kinds), said)
        return said

    def test_a_good_one(self):
        self.accused(GOOD, 5)
        self.accused([], 0)

    def test_what_is_in_doubt_counts_or_does_not(self):
        asked = GOOD + [Increment("a4", 5.1, None, None)]
        self.accused(asked, 5)
        self.accused(asked, 6)

    def test_an_acknowledged_increment_is_lost(self):
        said = self.accused(GOOD, 4, "lost")
        self.assertIn("b2 was told 5", said[0])

    def test_one_is_lost_since_two_have_its_number(self):
        """Of a leader that did not have it: the next one counts from there."""
        said = self.accused(but(a3={"value": 3}, b2={"value": 4}), 4, "lost")
        self.assertIn("b1 and a3", said[0])

    def test_no_number_at_all(self):
        self.accused(but(a1={"value": 0}), 5, "lost", "twice")

    def test_one_is_counted_twice(self):
        """a2 was asked again of another node, and both counted it."""
        said = self.accused(but(b1={"value": 4}, a3={"value": 5}, b2={"value": 6}), 6, "twice")
        self.assertIn("[3]", said[0])

    def test_one_is_counted_twice_at_the_end(self):
        self.accused(GOOD, 6, "twice")

    def test_more_twice_than_in_doubt(self):
        self.accused(GOOD + [Increment("a4", 5.1, None, None)], 7, "twice")

    def test_wrong_order(self):
        """b1 and a2 were told before b2 was asked for."""
        said = self.accused(but(a2={"value": 5}, b2={"value": 2}), 5, "order", "order")
        self.assertIn("a2 was told 5 before b2 asked, and it has 2", said[1])

    def test_wrong_order_of_one_client(self):
        said = self.accused(but(a1={"value": 2}, a2={"value": 1}), 5, "order")
        self.assertIn("a1 was told 2 before a2 asked", said[0])

    def test_wrong_order_over_others(self):
        """The one that was asked last is not the one just below."""
        late = [Increment("a1", 9.0, 9.5, 1), Increment("b1", 0.0, 10.0, 2), Increment("c1", 0.0, 8.0, 3)]
        said = self.accused(late, 3, "order")
        self.assertIn("c1 was told 3 before a1 asked", said[0])

    def test_asked_again(self):
        self.accused(GOOD, 5, again={"a1": (1, True), "b2": (5, True)})
        self.accused(GOOD, 5, "again", again={"a1": (1, True), "b2": (4, True)})

    def test_asked_again_it_is_something_new(self):
        self.accused(GOOD, 5, "again", again={"b2": (5, False)})


class Leases(unittest.TestCase):
    def accused(self, leases, count):
        said = list(lease_complaints(leases))
        self.assertEqual(len(said), count, said)

    def test_good_ones(self):
        self.accused([Lease(1, "n1", 0), Lease(2, "n1", 0), Lease(4, "n3", 7), Lease(3, "n2", 5)], 0)

    def test_a_token_falls(self):
        self.accused([Lease(1, "n1", 3), Lease(2, "n2", 2)], 1)

    def test_a_token_falls_below_an_earlier_one(self):
        self.accused([Lease(1, "n1", 5), Lease(2, "n2", 2), Lease(3, "n3", 4)], 2)

    def test_two_with_one_token(self):
        self.accused([Lease(1, "n1", 3), Lease(2, "n2", 3)], 1)


if __name__ == "__main__":
    unittest.main()
