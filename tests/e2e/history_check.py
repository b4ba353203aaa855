"""Is what clients were told of a counter the history of one counter that counts each request once? Nothing
here runs or asks anything: tests/python/test_history.py has a good history and a bad one for each
complaint."""
import collections

# A request for one more: when a client first asked for it, and when it was told which number it is; value
# and told are None while nobody has told it. Times are of one clock.
Increment = collections.namedtuple("Increment", "request sent told value")
# A node came to lead: the clock's time, its name, the fencing token.
Lease = collections.namedtuple("Lease", "at node token")


def lost(increments, total):
    """What was told counted up to the last number, each with a number of its own."""
    owner = {}
    for i in increments:
        if i.value is None:
            continue
        if not 1 <= i.value <= total:
            yield f"lost: {i.request} was told {i.value}, and {total} were counted"
        if i.value in owner:
            yield f"lost: {owner[i.value]} and {i.request} were both told {i.value}"
        owner[i.value] = i.request


def twice(increments, total):
    """Each number was told to somebody, or is of a request that nobody was told of yet."""
    told = {i.value for i in increments}
    nobodys = [n for n in range(1, total + 1) if n not in told]
    in_doubt = sum(i.value is None for i in increments)
    if len(nobodys) > in_doubt:
        yield f"twice: {nobodys[:5]} of {total} were told to nobody, and {in_doubt} requests are in doubt"


def disorder(increments):
    """Who was told before another asked has the lower number."""
    latest = None  # to be asked for, of the lower numbers
    for i in sorted((i for i in increments if i.value is not None), key=lambda i: i.value):
        if latest and i.told < latest.sent:
            yield f"order: {i.request} was told {i.value} before {latest.request} asked, and it has {latest.value}"
        if latest is None or i.sent > latest.sent:
            latest = i


def forgotten(increments, again):
    """again: request -> (value, was it known), of those that were asked again at the end."""
    first = {i.request: i.value for i in increments}
    for request, (value, was_known) in again.items():
        if value != first[request] or not was_known:
            yield (f"again: {request} was told {first[request]}, and at the end {value}"
                   f"{'' if was_known else ' as something new'}")


def complaints(increments, total, again=None):
    return [*lost(increments, total), *twice(increments, total), *disorder(increments),
            *forgotten(increments, again or {})]


def lease_complaints(leases):
    """Tokens never fall from one leader to the next, and none has two."""
    holder, highest = {}, -1
    for lease in sorted(leases, key=lambda lease: lease.at):
        if lease.token < highest:
            yield f"token: {lease.node} leads with {lease.token} after {highest}"
        if holder.setdefault(lease.token, lease.node) != lease.node:
            yield f"token: {lease.node} and {holder[lease.token]} both lead with {lease.token}"
        highest = max(highest, lease.token)
