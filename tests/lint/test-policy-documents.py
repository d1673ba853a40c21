#!/usr/bin/env python3
"""Every member that policies may have, and every check that may deny, stands in the documents. Prints TAP."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))
import tap  # noqa: E402

WORDS = {"none", "checked", "nothing", "any", "image"}  # what checks say, not what they are called


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def words(text):
    found = set(re.findall(r"[a-z0-9_]+(?:\.[a-z_]+)?", text))
    return found | {part for word in found for part in word.split(".")}


def main():
    text = read("attest/policy-parse.c") + read("attest/policy-document-parse.c")
    members = set(re.findall(r'\((?:&?\w+, )"([a-z_]+)"', text))
    members |= set(re.findall(r'\{ "([a-z]+)", &to->', text))
    tap.ok({"measurements", "minimum_tcb_by_product", "signers", "fmc", "denied"} <= members, "members were found", members)
    checks = {name for name in re.findall(r'"([a-z_]+(?:\.[a-z_]+)?)"', read("attest/policy.c") + read("attest/policy-verify.c"))} - WORDS
    tap.ok({"vmpl", "guest_policy.debug", "minimum_tcb.launch", "coverage"} <= checks, "checks were found", checks)
    bits = set(re.findall(r'\] = "([a-z_0-9]+)"', read("attest/bits.c")))
    for path, wanted in (("docs/policy.md", members | bits), ("docs/man/postern-policy.5", members | checks | bits)):
        tap.same(sorted(wanted - words(read(path))), [], f"{path} has every name")
    order = re.search(r"^\.Ss Order\n.*?\n(.*?)^\.Sh", read("docs/man/postern-policy.5"), flags=re.S | re.M).group(1)
    listed = re.findall(r"[a-z_.]*[a-z]", re.sub(r"^\.Li ", "", order, flags=re.M))
    tested = re.search(r"names\[\] = \{(.*?)\};", read("tests/unit/test-policy-members.c"), flags=re.S).group(1)
    tap.same([name for name in listed if name != "minimum_tcb.product"], re.findall(r'"([\w.]+)"', tested),
             "postern-policy(5) has the checks in the order in which they are evaluated")
    codes = set(re.findall(r'"([a-z]+)"', re.search(r"codes\[\] = \{.*?\};", read("cli/verdict.c"), re.S).group()))
    codes |= {"input", "root", "revoked"}
    tap.same(sorted(codes - words(read("docs/man/postern-verify.1"))), [], "postern-verify(1) has every reason")
    tap.done()


main()
