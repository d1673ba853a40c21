#!/usr/bin/env python3
"""What verifying a report with its chain costs beside the OpenSSL operations that nobody can leave out.

Instructions (callgrind) of one run each, which do not depend on what else the machine does, and the processor time of
`postern verify attestation` as a whole. Fails above 1.4 times the bare operations.
"""
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, "build/bench/verify-report")
POSTERN = os.path.join(TOP, "build/bin/postern")
PLACES = [os.path.join(TOP, "..", "shared/vectors"), os.path.join(TOP, "../..", "shared/vectors")]
MUST, AIM, AIM_MS, ROUNDS = 1.4, 1.2, 5.0, 40


def instructions(folder, *words):
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind", *words], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return int(re.search(r"Collected : (\d+)", done.stdout).group(1))


def process_ms(*words):
    """The least user and system time of some runs: contention adds, nothing subtracts."""
    best = float("inf")
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best * 1000


def certificates(folder):
    """The intermediate and the root that are built in, in DER."""
    with open(os.path.join(TOP, "attest/roots/genoa.pem"), encoding="ascii") as file:
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read(), re.S)
    for name, block in zip(("ask", "ark"), blocks):
        subprocess.run(["openssl", "x509", "-outform", "DER", "-out", f"{folder}/{name}.der"], input=block.encode(), check=True)
        yield f"{folder}/{name}.der"


def main():
    vectors = next((place for place in PLACES if os.path.isdir(place)), None)
    if not vectors:
        print("verify: there are no recorded reports beside the project")
        return 0
    report, vcek = (os.path.join(vectors, "reports", name) for name in ("genoa-v3.bin", "genoa-v3.vcek.pem"))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(vcek, f"{folder}/vcek.pem")
        subprocess.run(["openssl", "x509", "-in", vcek, "-outform", "DER", "-out", f"{folder}/vek.der"], check=True)
        inputs = [report, f"{folder}/vek.der", *certificates(folder)]
        bare, ours = (instructions(folder, PROGRAM, mode, *inputs) for mode in ("bare", "verify"))
        whole = ["verify", "attestation", folder, report, "--at", "2027-01-01"]
        everything = instructions(folder, POSTERN, *whole)
        spent, floor = process_ms(POSTERN, *whole), process_ms(PROGRAM, "bare", *inputs)
    print(f"verify: bare OpenSSL operations {bare} instructions, with roots and every check {ours}: {ours / bare:.3f} times"
          f" (must {MUST}, aim {AIM}); postern verify attestation {everything}: {everything / bare:.3f} times")
    print(f"verify: processor time of the whole program {spent:.1f} ms (aim {AIM_MS}), of the bare operations {floor:.1f} ms")
    return 1 if everything / bare > MUST else 0


sys.exit(main())
