#!/usr/bin/env python3
"""systemd's units: systemd accepts them, and the service is as shut in as it says."""
import os
import re
import shutil
import subprocess

from harness import BROKER, TOP, equal, main, path, test, true

HERE = os.path.join(TOP, "broker", "systemd")


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120)


@test("systemd-analyze verify has nothing to say")
def _():
    for name in os.listdir(HERE):
        shutil.copy(os.path.join(HERE, name), path(name))
    with open(path("postern-broker.service")) as file:
        text = file.read().replace("/usr/bin/postern-broker", BROKER).replace("/bin/kill", BROKER)
    with open(path("postern-broker.service"), "w") as file:
        file.write(text)
    done = analyze("verify", "--man=no", path("postern-broker.socket"), path("postern-broker.service"))
    told = [line for line in done.stdout.splitlines() if "postern" in line]
    equal(told, [], done.stdout)
    with open(path("postern-broker.service"), "a") as file:
        file.write("\n[Service]\nNoSuchSetting=1\n")
    true("NoSuchSetting" in analyze("verify", "--man=no", path("postern-broker.service")).stdout, "the check can fail")


@test("systemd-analyze security counts it among the safe ones")
def _():
    done = analyze("security", "--offline=true", "--no-pager", os.path.join(HERE, "postern-broker.service"))
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    true(found, done.stdout)
    true(float(found.group(1)) <= 1.5, found.group(0))


@test("the options of the unit are the program's")
def _():
    text = open(os.path.join(HERE, "postern-broker.service")).read()
    known = subprocess.run([BROKER, "serve", "--help"], stdout=subprocess.PIPE, text=True).stdout
    for option in re.findall(r"--([a-z-]+)", re.search(r"^ExecStart=(.*)$", text, re.M).group(1)):
        true(f"--{option}" in known, option)


main()
