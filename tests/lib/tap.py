"""TAP lines for the Python tests."""
import sys

_count = 0
_failed = 0


def ok(condition, name, detail=""):
    """One test; a failed one shows `detail`."""
    global _count, _failed
    _count += 1
    _failed += not condition
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    if not condition and detail != "":
        for line in str(detail).splitlines():
            print(f"# {line}")
    return bool(condition)


def same(found, expected, name):
    return ok(found == expected, name, f"found    {found!r}\nexpected {expected!r}")


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed or not _count else 0)
