"""Commands that a test has typed in a guest's shell, one after another, and what each of them printed."""
import os
import re
import shutil

import vm

# Reads them from /steps, a line each. What a command prints is marked, so that nothing in it passes for a mark of ours.
LOOP = r"""n=0
while read -r step; do
    n=$((n + 1))
    echo "<<<$n"
    ( eval "$step"; echo "status $?" ) 2>&1 </dev/null | sed 's/^/| /'
    echo ">>>$n"
done </steps
echo "<<<end"
"""


def outputs(console, count):
    """(whether all `count` commands came to their end, what each printed; nothing for those that never ran)."""
    found = [re.sub(r"^\| ", "", text, flags=re.M)
             for text in re.findall(r"<<<\d+\n(.*?)>>>\d+$", console.replace("\r", ""), flags=re.S | re.M)]
    return "<<<end" in console and len(found) == count, found + [""] * (count - len(found))


def ends(output, status, *parts):
    return output.rstrip().endswith(f"status {status}") and all(part in output for part in parts)


def copy_program(stage, path):
    """A program of the builder root and the libraries that it is linked with."""
    for source in [path, *re.findall(r"(/\S+\.so\S*)", vm.run("ldd", path))]:
        target = stage + source if source.startswith("/lib64/") else \
            stage + os.path.realpath(os.path.dirname(source)) + "/" + os.path.basename(source)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
